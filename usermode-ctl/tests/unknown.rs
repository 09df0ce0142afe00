//! What could not be read and what was not there is never all clear.

#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod run;
#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod support;

use std::fs;

use run::Run;
use support::authenticode_sha256;
use support::driver_image;
use support::image;
use support::policy;

/// A folder with a policy that allows the one driver in it.
fn desk() -> Run {
    let run = Run::new();
    run.file(
        "p.xml",
        policy(&[("ID_ALLOW_A", true, &authenticode_sha256(&driver_image(1)))]),
    );
    run.file("tree/a.sys", driver_image(1));
    run
}

fn malformed() -> Vec<u8> {
    driver_image(1)[..700].to_vec()
}

#[test]
fn malformed_ones_are_counted_and_strict_minds_them() {
    let run = desk();
    run.run(&["scan", "--strict", "tree"]).code(0);
    run.file("tree/b.sys", malformed());
    for json in [&["--json"][..], &[]] {
        let scan = [json, &["scan", "tree"]].concat();
        run.run(&scan)
            .code(0)
            .says("1 unknown: 1 malformed, 0 that could not be read");
        run.run(&[&scan[..], &["--strict"]].concat()).code(10);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn unreadable_ones_are_counted_and_strict_minds_them() {
    let run = desk();
    // A file whose reads fail, for root too.
    let memory = "/proc/self/mem";
    for words in [&["scan", "tree", memory][..], &["scan", "--json", memory, "tree"]] {
        run.run(words)
            .code(1)
            .says("cannot read /proc/self/mem: ")
            .says("1 unknown: 0 malformed, 1 that could not be read");
        run.run(&[words, &["--strict"]].concat()).code(10);
    }
    let simulate = ["simulate", "-p", "p.xml", "tree", memory];
    run.run(&simulate)
        .code(1)
        .says("1 allowed, 0 would be refused (audit), 0 refused, 1 unknown");
    run.run(&[&simulate[..], &["--strict"]].concat()).code(10);
}

#[test]
fn what_is_missing_is_unknown() {
    let run = desk();
    for command in [&["scan"][..], &["simulate", "-p", "p.xml"]] {
        let words = [command, &["tree", "gone.sys"]].concat();
        run.run(&words).code(1).says("gone.sys").says("1 unknown");
        run.run(&[&words[..], &["--strict"]].concat()).code(10);
    }
}

#[test]
fn a_verdict_for_want_of_a_fact_is_unknown() {
    let run = desk();
    let scanned = run.run(&["scan", "--json", "tree"]).code(0).records();
    let replay = |record: &serde_json::Value| {
        run.file("r.ndjson", record.to_string());
        ["simulate", "-p", "p.xml", "--evidence", "r.ndjson"]
    };
    run.run(&replay(&scanned[0]))
        .code(0)
        .says("1 allowed, 0 would be refused (audit), 0 refused, 0 unknown");
    // Without its digests nobody knows whether the rule names it.
    let mut less = scanned[0].clone();
    for digests in ["authenticode", "first_page", "flat"] {
        less.as_object_mut().expect("object").remove(digests);
    }
    let words = replay(&less);
    run.run(&words)
        .code(0)
        .says("0 allowed, 0 would be refused (audit), 0 refused, 1 unknown");
    run.run(&[&words[..], &["--strict"]].concat()).code(10);
    let refused = [&words[..], &["--strict", "tree"]].concat();
    run.run(&refused).code(10).says("1 allowed");
}

#[test]
fn nothing_examined_is_never_all_clear() {
    let run = desk();
    fs::create_dir(run.path().join("empty")).expect("folder");
    run.file("texts/readme.txt", "no image");
    run.file("programs/a.exe", image(0x8664, 3, 1));
    run.file("programs/b.exe", image(0x8664, 2, 2));
    let allow = policy(&[
        ("ID_ALLOW_A", true, &authenticode_sha256(&image(0x8664, 3, 1))),
        ("ID_ALLOW_B", true, &authenticode_sha256(&image(0x8664, 2, 2))),
    ]);
    run.file("programs.xml", allow);
    let commands = |folder: &'static str| {
        [
            vec!["scan", folder],
            vec!["scan", "--json", folder],
            vec!["simulate", "-p", "programs.xml", folder],
        ]
    };
    for folder in ["empty", "texts", "texts/readme.txt"] {
        for words in commands(folder) {
            run.run(&words)
                .code(1)
                .says("nothing was examined: no image was found");
        }
        run.run(&["scan", folder, "tree"]).code(0);
    }
    // Programs are examined, and none of them is a driver.
    for (folder, told) in [
        (
            "programs",
            "none of the 2 images that were found is one that the kernel loads",
        ),
        (
            "programs/a.exe",
            "the one image that was found is not one that the kernel loads",
        ),
    ] {
        for words in commands(folder) {
            run.run(&words).code(0).says(told);
        }
    }
    let records = run.run(&["scan", "--json", "programs"]).0.stdout;
    run.file("r.ndjson", records);
    run.run(&["simulate", "-p", "programs.xml", "--evidence", "r.ndjson"])
        .code(0)
        .says("none of the 2 images");
    // A refusal is a refusal all the same.
    run.run(&["simulate", "-p", "p.xml", "programs"])
        .code(10)
        .says("none of the 2 images");
    run.run(&["policy", "new", "-l", "Hash", "-o", "made.xml", "empty"])
        .code(1)
        .says("no image was found to make rules for");
    assert!(!run.path().join("made.xml").exists());
}
