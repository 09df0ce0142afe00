//! The verbs of the front-door script `./x`.

use std::process::ExitCode;

use anyhow::Result;
use anyhow::bail;

const USAGE: &str = "\
usage: ./x VERB

  build    build gatehouse.sys for Windows, on this machine, and print its path
";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("x: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["build"] => println!("{}", lab::build_driver()?.display()),
        ["help" | "--help" | "-h"] => print!("{USAGE}"),
        [] => {
            eprint!("{USAGE}");
            return Ok(ExitCode::from(2));
        }
        _ => bail!("unknown verb or argument: {}\n{USAGE}", words.join(" ")),
    }
    Ok(ExitCode::SUCCESS)
}
