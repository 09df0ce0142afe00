//! Sends requests to a device as they are written down, and prints how each ended: for requests that the controller never makes, and
//! for many in a row, which would take a process each.
//!
//! ```text
//! probe open NAME                  opens a device name; prints `opened` or `error CODE`
//! probe send NAME FILE             sends each line of FILE: CODE INPUT OUTPUT, in hexadecimal
//! probe repeat NAME FILE SECONDS   sends them over and over for so long; prints `N ok, M failed`
//! probe serve NAME                 does what each line of its standard input says, until that ends: `start SERVICE`, `stop SERVICE`,
//!                                  or `CODE INPUT OUTPUT`, for which the device is opened and closed again
//! ```
//! INPUT is the bytes, `-` for none, `zeros:LENGTH` for that many zeros, or `null:LENGTH` for a null pointer that claims a
//! length; OUTPUT is a length, or `null:LENGTH`. Each line is answered with `ok BYTES` or `error CODE` (a Win32 error, decimal).

#[cfg(windows)]
mod device;
#[cfg(windows)]
mod service;

#[cfg(windows)]
fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["open", name] => {
            match device::Device::open(name) {
                Ok(_) => println!("opened"),
                Err(code) => println!("error {code}"),
            }
            Ok(())
        }
        ["send", name, file] => send(name, file),
        ["repeat", name, file, seconds] => repeat(name, file, seconds),
        ["serve", name] => serve(name),
        _ => Err(
            "usage: probe open NAME | probe send NAME FILE | probe repeat NAME FILE SECONDS | probe serve NAME"
                .to_owned(),
        ),
    };
    match outcome {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("probe: {text}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(windows)]
fn prepared(name: &str, file: &str) -> Result<(device::Device, Vec<request::Request>), String> {
    let device = device::Device::open(name).map_err(|code| format!("cannot open {name}: error {code}"))?;
    let script = std::fs::read_to_string(file).map_err(|error| format!("cannot read {file}: {error}"))?;
    let mut requests = Vec::new();
    for (number, line) in script.lines().enumerate() {
        let request = request::parse(line);
        requests.push(request.ok_or_else(|| format!("{file}:{}: not a request", number + 1))?);
    }
    Ok((device, requests))
}

#[cfg(windows)]
fn send(name: &str, file: &str) -> Result<(), String> {
    let (device, requests) = prepared(name, file)?;
    for request in &requests {
        answer(device.control(request));
    }
    Ok(())
}

#[cfg(windows)]
fn serve(name: &str) -> Result<(), String> {
    let service = service::Service::open;
    for line in std::io::stdin().lines() {
        let line = line.map_err(|error| format!("cannot read the standard input: {error}"))?;
        match line.split_once(' ') {
            Some(("start", called)) => answer(service(called).and_then(|found| found.start())),
            Some(("stop", called)) => answer(service(called).and_then(|found| found.stop())),
            _ => {
                let request = request::parse(&line).ok_or_else(|| format!("not a request: {line}"))?;
                answer(device::Device::open(name).and_then(|device| device.control(&request)));
            }
        }
    }
    Ok(())
}

/// Prints how something ended.
#[cfg(windows)]
fn answer(outcome: Result<Vec<u8>, u32>) {
    use std::fmt::Write;
    match outcome {
        Ok(bytes) => {
            let mut hex = String::with_capacity(bytes.len() * 2);
            for byte in bytes {
                // Writing to a string cannot fail.
                let _ = write!(hex, "{byte:02x}");
            }
            println!("ok {hex}");
        }
        Err(code) => println!("error {code}"),
    }
}

#[cfg(windows)]
fn repeat(name: &str, file: &str, seconds: &str) -> Result<(), String> {
    let (device, requests) = prepared(name, file)?;
    let seconds = seconds
        .parse()
        .map_err(|error| format!("SECONDS is {seconds}: {error}"))?;
    let (begun, mut done, mut failed) = (std::time::Instant::now(), 0_u64, 0_u64);
    while begun.elapsed() < std::time::Duration::from_secs(seconds) {
        for request in &requests {
            match device.control(request) {
                Ok(_) => done += 1,
                Err(_) => failed += 1,
            }
        }
    }
    println!("{done} ok, {failed} failed");
    Ok(())
}

#[cfg(not(windows))]
fn main() {
    eprintln!("probe: for Windows only");
}

#[cfg(any(windows, test))]
mod request {
    /// A buffer as it is passed to DeviceIoControl.
    #[derive(Debug, PartialEq, Eq)]
    pub enum Buffer {
        /// Real memory.
        Bytes(Vec<u8>),
        /// A null pointer that claims to hold this many bytes.
        Null(u32),
    }

    /// A request.
    #[derive(Debug, PartialEq, Eq)]
    pub struct Request {
        pub code: u32,
        pub input: Buffer,
        pub output: Buffer,
    }

    /// Reads `CODE INPUT OUTPUT`.
    pub fn parse(line: &str) -> Option<Request> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [code, input, output] = words.as_slice() else {
            return None;
        };
        let number = |text: &str| u32::from_str_radix(text, 16).ok();
        let zeros = |length: &str| Some(vec![0; usize::try_from(number(length)?).ok()?]);
        let input = match (input.split_once(':'), *input) {
            (Some(("null", length)), _) => Buffer::Null(number(length)?),
            (Some(("zeros", length)), _) => Buffer::Bytes(zeros(length)?),
            (Some(_), _) => return None,
            (None, "-") => Buffer::Bytes(Vec::new()),
            (None, hex) => Buffer::Bytes(bytes(hex)?),
        };
        let output = match output.strip_prefix("null:") {
            Some(length) => Buffer::Null(number(length)?),
            None => Buffer::Bytes(zeros(output)?),
        };
        Some(Request {
            code: number(code)?,
            input,
            output,
        })
    }

    fn bytes(hex: &str) -> Option<Vec<u8>> {
        let (pairs, []) = hex.as_bytes().as_chunks::<2>() else {
            return None;
        };
        pairs
            .iter()
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn reads_what_the_header_promises() {
            let request = parse("8a116004 0100ff 10").expect("a request");
            assert_eq!(request.code, 0x8a11_6004);
            assert_eq!(request.input, Buffer::Bytes(vec![1, 0, 255]));
            assert_eq!(request.output, Buffer::Bytes(vec![0; 16]));
            assert_eq!(
                parse("1 - null:40").map(|request| request.output),
                Some(Buffer::Null(64))
            );
            assert_eq!(
                parse("1 null:40 0").map(|request| request.input),
                Some(Buffer::Null(64))
            );
            for bad in ["", "1 2", "1 012 0", "x - 0", "1 - x"] {
                assert_eq!(parse(bad), None, "{bad}");
            }
        }
    }
}
