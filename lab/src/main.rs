//! The verbs of the front-door script `./x`.

mod bench_verb;
mod fuzz_verb;
mod lab_verb;
mod package_verb;
mod test_lanes;
mod test_verb;

use std::process::ExitCode;

use anyhow::Result;

const USAGE: &str = "\
usage: ./x VERB

  lab [--keep]       build everything, load real kernel images in Wine and show how they were weighed;
                     writes target/lab/events.ndjson and target/lab/report.json; --keep leaves it up
  lab exec CMD...    run a Windows command in the lab that was left up
  lab stop           end the lab that was left up
  test [--quick]     everything that must pass; --quick leaves out what needs the lab
  package            build the folder that is carried to a Windows machine, and print its path
  bench [NAME]       speed, as ratios where there are peers, in the same run; one table, or each in turn
  fuzz [TARGET] [--seconds N]
                     fuzz one target or each in turn (60 s); needs a nightly toolchain
  build              build gatehouse.sys on this machine and print its path
  build controller   build gatehouse.exe on this machine and print its path
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
        ["lab"] => return lab_verb::run(false),
        ["lab", "--keep"] => return lab_verb::run(true),
        ["lab", "exec", command @ ..] => return lab_verb::exec(command),
        ["lab", "stop"] => return lab_verb::stop(),
        ["test"] => return test_verb::run(false),
        ["test", "--quick"] => return test_verb::run(true),
        ["package"] => println!("{}", package_verb::run()?.display()),
        ["bench"] => return bench_verb::run(None),
        ["bench", name] => return bench_verb::run(Some(name)),
        ["fuzz", rest @ ..] => return fuzz_verb::run(rest),
        ["build"] => println!("{}", lab::build_driver()?.display()),
        ["build", "controller"] => println!("{}", lab::build_controller()?.display()),
        ["help" | "--help" | "-h"] => print!("{USAGE}"),
        _ => {
            eprint!("{USAGE}");
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}
