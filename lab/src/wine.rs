//! How Wine's programs are run inside a namespace, never longer than a limit.

use std::process::Command;

use crate::namespace::Namespace;
use crate::wine_root;

/// Where the run's folder holds the prefix.
pub const PREFIX: &str = "prefix";

/// Everything a program in the lab finds in its environment.
fn environment() -> [String; 7] {
    let run = wine_root::RUN;
    [
        format!("HOME={run}/home"),
        format!("WINEPREFIX={run}/{PREFIX}"),
        "PATH=/usr/bin:/bin".to_owned(),
        "USER=lab".to_owned(),
        "XDG_RUNTIME_DIR=/tmp".to_owned(),
        // Only what drivers print.
        "WINEDEBUG=-all,+debugstr".to_owned(),
        // No .NET and no browser: the prefix would offer to download them. The lab's filter manager before Wine's, where it is put.
        "WINEDLLOVERRIDES=mscoree,mshtml=;fltmgr.sys=n,b".to_owned(),
    ]
}

/// A Windows program, killed after `seconds`. The caller adds its arguments.
pub fn command(namespace: &Namespace, seconds: u32, program: &str) -> Command {
    let mut command = limited(namespace, seconds);
    command.args([wine_root::WINE, program]);
    command
}

/// The program that ends or waits for Wine itself.
pub fn server(namespace: &Namespace, seconds: u32) -> Command {
    let mut command = limited(namespace, seconds);
    command.arg("/usr/lib/wine/wineserver");
    command
}

/// A command of the root's own, with the lab's environment and a time limit; a run that takes longer exits with 137.
pub fn limited(namespace: &Namespace, seconds: u32) -> Command {
    let mut command = namespace.command("env");
    command
        .arg("-i")
        .args(environment())
        .args(["timeout", "--signal=KILL", &seconds.to_string()]);
    command
}
