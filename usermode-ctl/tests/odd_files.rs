//! What is no regular file, and names that are no text: on the command line, in folders and as places for results.
#![cfg(unix)]

mod run;
#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod support;

use std::ffi::OsStr;
use std::fmt::Write;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::thread;

use run::Run;
use serde_json::Value;
use support::authenticode_sha256;
use support::driver_image;
use support::policy;

fn pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().expect("mkfifo");
    assert!(made.success());
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(bytes);
    digest.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("memory");
        text
    })
}

/// A folder with a policy that allows one driver.
fn desk(driver: &[u8]) -> Run {
    let run = Run::new();
    run.file(
        "p.xml",
        policy(&[("ID_ALLOW_A", true, &authenticode_sha256(driver))]),
    );
    run.file("a.sys", driver);
    run
}

#[test]
fn standard_input_is_examined_as_the_file_it_holds() {
    let driver = driver_image(1);
    let run = desk(&driver);
    let mut of_file = run.run(&["scan", "--json", "a.sys"]).code(0).records();
    let mut of_input = run.run_with(&["scan", "--json", "-"], &driver).code(0).records();
    assert_eq!(of_input[0]["path"], "-");
    for field in ["path", "weighed_at"] {
        of_file[0][field].take();
        of_input[0][field].take();
    }
    assert_eq!(of_input, of_file);

    let simulate = ["simulate", "--json", "-p", "p.xml", "-"];
    run.run_with(&simulate, &driver).code(0);
    run.run_with(&simulate, &driver_image(2)).code(10);
    let explained = run
        .run_with(&["explain", "-", "-p", "p.xml"], &driver)
        .code(0)
        .stdout();
    assert!(
        explained.contains(&authenticode_sha256(&driver)) && explained.contains("yes, decides"),
        "{explained}"
    );
    let made = run
        .run_with(&["policy", "new", "-l", "Hash", "-"], &driver)
        .code(0)
        .stdout();
    assert!(made.contains("<Allow "), "{made}");
    let records = run.run(&["scan", "--json", "a.sys"]).0.stdout;
    let replay = ["simulate", "-p", "p.xml", "--evidence", "-"];
    run.run_with(&replay, &records).code(0).says("1 allowed");
    let document = run.read("p.xml");
    run.run_with(&["simulate", "-p", "-", "a.sys"], &document).code(0);

    run.run_with(&["scan", "-", "-"], &driver)
        .code(1)
        .says("standard input was read already");
    run.file("-", driver_image(2));
    let records = run.run(&["scan", "--json", "./-"]).code(0).records();
    assert_eq!(records[0]["path"], "./-", "a file of that name has a folder");
}

#[test]
fn a_pipe_that_is_named_is_examined_as_the_file_it_holds() {
    let run = Run::new();
    // Larger than what is kept in memory.
    let mut driver = driver_image(3);
    driver.resize(3 << 20, 7);
    let end = run.path().join("p.sys");
    pipe(&end);
    for command in [&["explain", "p.sys", "--json"][..], &["scan", "p.sys", "--json"]] {
        let writer = thread::spawn({
            let (end, driver) = (end.clone(), driver.clone());
            move || fs::write(end, driver).expect("written")
        });
        let record = run.run(command).code(0).records().remove(0);
        writer.join().expect("written");
        assert_eq!(record["size"], driver.len());
        assert_eq!(record["authenticode"]["sha256"], authenticode_sha256(&driver));
    }
}

#[test]
fn a_pipe_that_cannot_be_kept_fails_with_the_folder() {
    let run = Run::new();
    let (mut writer, reader) = {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        (writer, reader)
    };
    let mut command = run.command(&["scan", "-"]);
    command.env("TMPDIR", run.path().join("gone")).stdin(reader);
    let child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    drop(command);
    // More than is kept in memory; the command leaves before it has read all of it.
    let _ = std::io::Write::write_all(&mut writer, &vec![0; 4 << 20]);
    drop(writer);
    let ran = run::Ran(child.wait_with_output().expect("ended")).code(1);
    assert!(
        ran.stderr().contains("cannot be kept in") && ran.stderr().contains("gone"),
        "{}",
        ran.stderr()
    );
}

#[cfg(target_os = "linux")]
#[test]
fn what_says_that_it_is_empty_is_read_and_what_has_no_end_is_read_to_the_bound() {
    let run = Run::new();
    let record = run.run(&["scan", "--json", "/proc/version"]).records().remove(0);
    let version = fs::read("/proc/version").expect("read");
    assert_eq!(record["size"], version.len());
    assert_eq!(record["flat"]["sha256"], sha256(&version));
    run.run(&["scan", "/dev/zero"])
        .code(1)
        .says("cannot read /dev/zero: it has not ended after 268435456 bytes");
    for words in [
        &["policy", "show", "/dev/zero"][..],
        &[
            "policy",
            "sign",
            "/dev/zero",
            "--key",
            "k",
            "--sequence",
            "1",
            "-o",
            "s",
        ],
    ] {
        run.run(words).code(3).says("/dev/zero: it is larger than");
    }
}

#[test]
fn of_folders_only_regular_files_are_read_and_the_others_told() {
    let driver = driver_image(1);
    let run = desk(&driver);
    run.file("tree/a.sys", &driver);
    pipe(&run.path().join("tree/b.sys"));
    symlink("/dev/zero", run.path().join("tree/c.sys")).expect("linked");
    symlink("a.sys", run.path().join("tree/d.sys")).expect("linked");
    symlink("..", run.path().join("tree/up")).expect("linked");
    std::os::unix::net::UnixListener::bind(run.path().join("tree/e.sys")).expect("bound");
    for words in [
        &["scan", "tree"][..],
        &["scan", "tree", "--json"],
        &["simulate", "-p", "p.xml", "tree"],
        &["policy", "new", "-l", "Hash", "-o", "made.xml", "tree"],
    ] {
        let ran = run.run(words).code(0);
        ran.says("passed over 5 that are no regular files, first tree/b.sys, a pipe");
    }
    let records = run.run(&["scan", "--json", "tree"]).records();
    assert_eq!(records.len(), 1);
    let records = run.run(&["scan", "--json", "tree/d.sys"]).code(0).records();
    assert_eq!(records[0]["status"], "ok", "a link that is named is followed");
}

#[test]
fn catalogues_are_regular_files() {
    let driver = driver_image(1);
    let run = desk(&driver);
    pipe(&run.file("cats/x", "").with_file_name("a.cat"));
    symlink("/dev/zero", run.path().join("cats/b.cat")).expect("linked");
    for words in GIVEN_CATALOGUES {
        run.run(&[words, &["cats"]].concat())
            .code(1)
            .says("cats/a.cat: it is no regular file but a pipe")
            .says("cats/b.cat: it is no regular file but a device");
    }
}

/// Every command that takes catalogues, up to them.
const GIVEN_CATALOGUES: [&[&str]; 5] = [
    &["scan", "a.sys", "--catalogs"],
    &["simulate", "-p", "p.xml", "a.sys", "--catalogs"],
    &["explain", "a.sys", "--catalogs"],
    &[
        "policy",
        "new",
        "-l",
        "Hash",
        "-o",
        "new.xml",
        "a.sys",
        "--catalogs",
    ],
    &["policy", "compile", "p.xml", "-o", "p.ghp", "--catalogs"],
];

/// They may vouch for a file: nothing is well without them, and a set that says it knows them all is not made.
#[test]
fn catalogues_that_could_not_be_taken_fail_every_command() {
    let run = desk(&driver_image(1));
    run.file("damaged/a.cat", "no catalogue");
    run.file("empty/readme.txt", "no catalogue");
    for words in GIVEN_CATALOGUES {
        for (given, problem) in [
            ("nowhere", "cannot look into nowhere"),
            ("damaged", "damaged/a.cat"),
            ("damaged/a.cat", "damaged/a.cat"),
        ] {
            run.run(&[words, &[given]].concat()).code(1).says(problem);
        }
        assert!(!run.path().join("p.ghp").exists(), "{words:?}");
    }
    for words in GIVEN_CATALOGUES {
        run.run(&[words, &["empty"]].concat()).code(0);
    }
}

#[test]
fn results_go_into_pipes_and_devices_and_never_take_their_place() {
    let run = desk(&driver_image(1));
    let set = run
        .run(&["policy", "compile", "p.xml", "-o", "-"])
        .code(0)
        .0
        .stdout;
    pipe(&run.path().join("end"));
    symlink("end", run.path().join("link")).expect("linked");
    for name in ["end", "link"] {
        let reader = thread::spawn({
            let end = run.path().join("end");
            move || fs::read(end).expect("read")
        });
        run.run(&["policy", "compile", "p.xml", "-o", name]).code(0);
        assert_eq!(reader.join().expect("read"), set);
    }
    let kind = |name: &str| {
        fs::symlink_metadata(run.path().join(name))
            .expect("there")
            .file_type()
    };
    assert!(kind("end").is_fifo() && kind("link").is_symlink());

    // Only root may make one; it is a private one of what /dev/null is.
    let made = Command::new("mknod")
        .arg(run.path().join("null"))
        .args(["c", "1", "3"])
        .stderr(Stdio::null())
        .status();
    if made.is_ok_and(|status| status.success()) {
        // Where devices do not work in this folder, writing fails, which is as well.
        let _ = run.run(&["policy", "compile", "p.xml", "-o", "null"]);
        assert!(kind("null").is_char_device());
    }
    // Nothing is left beside any of them.
    let left = fs::read_dir(run.path()).expect("listed");
    let left: Vec<_> = left.map(|entry| entry.expect("entry").file_name()).collect();
    assert!(
        left.iter().all(|name| !name.as_bytes().ends_with(b".new")),
        "{left:?}"
    );
}

#[test]
fn no_result_takes_the_place_of_what_it_is_made_of_or_of_what_nobody_can_make_again() {
    let run = desk(&driver_image(1));
    run.run(&["policy", "compile", "p.xml", "-o", "p.ghp"]).code(0);
    run.run(&["policy", "key", "new", "-o", "k"]).code(0);
    run.file("records", run.run(&["scan", "--json", "a.sys"]).code(0).stdout());
    let catalogue = [
        &[0x30, 0x82][..],
        &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 0x0a, 1],
        &[0; 600],
    ]
    .concat();
    run.file("c/a.cat", &catalogue);
    run.file("other.sys", driver_image(2));
    symlink("k", run.path().join("link")).expect("linked");
    fs::hard_link(run.path().join("p.ghp"), run.path().join("hard")).expect("linked");
    let kept = |name: &str| fs::read(run.path().join(name)).expect("there");
    let names = ["p.xml", "p.ghp", "k", "records", "c/a.cat", "a.sys", "other.sys"];
    let before = names.map(kept);
    for words in [
        "policy sign --key k --sequence 1 p.ghp -o k",
        "policy sign --key k --sequence 1 p.ghp -o link",
        "policy sign --key k --sequence 1 p.ghp -o p.ghp",
        "policy sign --key k --sequence 1 p.ghp -o hard",
        "policy new -l Hash a.sys -o a.sys",
        "policy new -l Hash . -o a.sys",
        "policy new -l Hash --evidence records -o records",
        "policy new -l Hash a.sys -o k",
        "policy compile p.xml -o p.xml",
        "policy compile p.xml -o other.sys",
        "policy compile p.xml -o k",
        "policy compile p.xml -o c/a.cat",
        "policy convert p.xml c/a.cat",
        "policy merge p.xml p.xml -o k",
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        run.run(&words)
            .code(2)
            .says("would be lost; give the result another name");
    }
    assert!(names.map(kept) == before);
    // What is a result itself may be written anew.
    run.run(&["policy", "new", "-l", "Hash", ".", "-o", "new.xml"])
        .code(0);
    run.run(&["policy", "new", "-l", "Hash", ".", "-o", "new.xml"])
        .code(0);
}

#[cfg(target_os = "linux")]
#[test]
fn the_name_of_standard_output_is_standard_output() {
    let run = desk(&driver_image(1));
    let set = run
        .run(&["policy", "compile", "p.xml", "-o", "-"])
        .code(0)
        .0
        .stdout;
    symlink("/proc/self/fd/1", run.path().join("out")).expect("linked");
    let words = ["policy", "compile", "p.xml", "-o", "out"];
    assert_eq!(run.run(&words).code(0).0.stdout, set);
    // What is in a file that the shell appends to stays.
    let log = run.file("log", "before");
    let append = fs::File::options().append(true).open(&log).expect("opened");
    let status = run.command(&words).stdout(append).status().expect("started");
    assert!(status.success());
    assert_eq!(fs::read(log).expect("read"), [b"before", set.as_slice()].concat());
    let link = fs::symlink_metadata(run.path().join("out")).expect("there");
    assert!(link.is_symlink());
    // So it does in any other file that is open.
    symlink("/proc/self/fd/2", run.path().join("other")).expect("linked");
    let log = run.file("log", "before");
    let append = fs::File::options().append(true).open(&log).expect("opened");
    let words = ["policy", "compile", "p.xml", "-o", "other"];
    let status = run.command(&words).stdout(Stdio::null()).stderr(append).status();
    assert!(status.expect("started").success());
    assert_eq!(fs::read(log).expect("read"), [b"before", set.as_slice()].concat());
}

#[test]
fn a_link_stays_and_what_it_leads_to_is_replaced_whole() {
    let run = desk(&driver_image(1));
    run.file("deep/set.ghp", "old");
    symlink("deep/set.ghp", run.path().join("set.ghp")).expect("linked");
    run.run(&["policy", "compile", "p.xml", "-o", "set.ghp"]).code(0);
    assert!(run.read("deep/set.ghp").starts_with(b"GH"));
    let link = fs::symlink_metadata(run.path().join("set.ghp")).expect("there");
    assert!(link.is_symlink());
    run.run(&["policy", "compile", "p.xml", "-o", "deep"])
        .code(1)
        .says("deep");
}

#[test]
fn no_part_of_a_key_is_written_over() {
    let run = Run::new();
    run.file("k.pub", "mine");
    run.run(&["policy", "key", "new", "-o", "k"])
        .code(1)
        .says("k.pub");
    assert_eq!(run.read("k.pub"), b"mine");
    assert!(!run.path().join("k").exists());
    run.file("l", "mine");
    run.run(&["policy", "key", "new", "-o", "l"])
        .code(1)
        .says("cannot write l:");
    assert_eq!(run.read("l"), b"mine");
    assert!(!run.path().join("l.pub").exists());
}

#[test]
fn names_that_are_no_text_are_told_apart_everywhere() {
    let run = Run::new();
    let names: [&[u8]; 4] = [
        b"bad\xfe\xff.sys",
        b"bad\xff\xfe.sys",
        br"bad\xff\xfe.sys",
        b"bad\xef\xbf\xbd\xef\xbf\xbd.sys",
    ];
    let mut allowed = Vec::new();
    for (name, seed) in names.iter().zip(1..) {
        run.file(
            Path::new("tree").join(OsStr::from_bytes(name)),
            driver_image(seed),
        );
        allowed.push(authenticode_sha256(&driver_image(seed)));
    }
    run.file("p.xml", policy(&[("ID_ALLOW_A", true, &allowed[1])]));
    let paths = |records: &[Value]| -> Vec<String> {
        let mut paths: Vec<String> = records
            .iter()
            .map(|record| record["path"].as_str().expect("text").to_owned())
            .collect();
        paths.sort();
        paths.dedup();
        paths
    };
    let scanned = run.run(&["scan", "--json", "tree"]).code(0);
    assert_eq!(
        paths(&scanned.records()),
        [
            r"tree/bad\\xff\\xfe.sys",
            r"tree/bad\xfe\xff.sys",
            r"tree/bad\xff\xfe.sys",
            "tree/bad\u{fffd}\u{fffd}.sys"
        ]
    );
    run.file("scan.ndjson", &scanned.0.stdout);
    for words in [
        &["simulate", "-p", "p.xml", "--json", "tree"][..],
        &["simulate", "-p", "p.xml", "--json", "--evidence", "scan.ndjson"],
    ] {
        let verdicts = run.run(words).code(10).records();
        assert_eq!(paths(&verdicts), paths(&scanned.records()));
        let passed = verdicts.iter().filter(|verdict| verdict["decision"] == "allow");
        let passed: Vec<&Value> = passed.map(|verdict| &verdict["path"]).collect();
        assert_eq!(passed, [r"tree/bad\xff\xfe.sys"]);
    }
    let made = [b"policy", b"key".as_slice(), b"new", b"--json", b"-o", b"k\xff"].map(OsStr::from_bytes);
    assert_eq!(run.run(&made).code(0).records()[0]["path"], r"k\xff");
    assert!(run.path().join(OsStr::from_bytes(b"k\xff.pub")).exists());
    // Talk keeps them apart too.
    let words = [b"explain", names[0]].map(OsStr::from_bytes);
    run.run(&words).code(1).says(r"cannot read bad\xfe\xff.sys");
}
