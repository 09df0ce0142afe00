//! `scan` and `explain` as users and scripts see them: what is reported of files, and where words go.

#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod run;
#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod support;

use run::Run;
use serde_json::Value;
use support::authenticode_sha256;
use support::driver_image;
use support::image;

#[test]
fn scan_reports_what_an_image_proves() {
    let run = Run::new();
    let image = driver_image(7);
    run.file("a.sys", &image);
    let ran = run.run(&["scan", "--json", "--flat", "a.sys"]).code(0);
    let [record] = ran.records().try_into().expect("one record");
    assert_eq!(record["schema"], "gatehouse.evidence/2");
    assert_eq!(record["path"], "a.sys");
    assert_eq!(record["size"], image.len());
    assert_eq!(record["status"], "ok");
    assert_eq!(record["error"], Value::Null);
    assert_eq!(record["machine"], "amd64");
    assert_eq!(record["subsystem"], "native");
    assert_eq!(record["conformant"], true);
    assert_eq!(record["authenticode"]["sha256"], authenticode_sha256(&image));
    assert_eq!(record["flat"]["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(record["first_page"]["sha1"].as_str().map(str::len), Some(40));
    assert_eq!(record["version"], Value::Null);
    assert!(
        record.as_object().expect("object").contains_key("version"),
        "absent is null, not left out"
    );
    assert_eq!(record["signatures"].as_array().map(Vec::len), Some(0));
    assert_eq!(record["trust"], "unsigned");
    assert_eq!(ran.stderr(), "");
    let ran = run.run(&["scan", "--json", "a.sys"]).code(0);
    assert_eq!(
        ran.records()[0]["flat"],
        serde_json::json!({}),
        "a sound image is known by its Authenticode digests"
    );
}

#[test]
fn scan_counts_the_drivers_that_the_driver_policy_would_refuse() {
    let run = Run::new();
    run.file("a.sys", driver_image(1));
    run.file("b.sys", driver_image(2));
    let ran = run.run(&["scan", "a.sys", "b.sys"]).code(0);
    assert!(ran.stderr().contains("2 unsigned"), "{}", ran.stderr());
    assert!(
        ran.stderr()
            .contains("2 drivers would be refused by the driver policy"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn explain_shows_one_file_and_is_strict_about_what_it_is_given() {
    let run = Run::new();
    let image = driver_image(7);
    run.file("a.sys", &image);
    let ran = run.run(&["explain", "a.sys"]).code(0);
    assert!(
        ran.stdout().contains(&authenticode_sha256(&image)),
        "{}",
        ran.stdout()
    );
    assert!(
        ran.stdout().contains("unsigned: carries no signature"),
        "{}",
        ran.stdout()
    );
    let ran = run.run(&["explain", "a.sys", "--json"]).code(0);
    assert_eq!(ran.records()[0]["trust"], "unsigned");

    let mut damaged = image;
    damaged.truncate(700);
    run.file("damaged.sys", &damaged);
    let ran = run.run(&["explain", "damaged.sys"]).code(3);
    assert!(
        ran.stderr().contains("damaged.sys: malformed PE image"),
        "{}",
        ran.stderr()
    );
    run.run(&["explain", "missing.sys"]).code(1);
}

#[test]
fn scan_goes_through_folders_in_order_and_passes_over_other_files() {
    let run = Run::new();
    run.file("tree/b/two.sys", image(0xaa64, 1, 2));
    run.file("tree/a.sys", driver_image(1));
    run.file("tree/c.txt", "no image");
    run.file("tree/d.sys", b"MZ");
    for jobs in ["1", "3"] {
        let ran = run.run(&["scan", "tree", "--json", "--jobs", jobs]).code(0);
        let records = ran.records();
        let paths: Vec<_> = records
            .iter()
            .map(|record| record["path"].as_str().expect("text").replace('\\', "/"))
            .collect();
        assert_eq!(paths, ["tree/a.sys", "tree/b/two.sys"]);
        assert_eq!(records[1]["machine"], "arm64");
        assert!(ran.stderr().contains("passed over 2 files"), "{}", ran.stderr());
    }
    assert_eq!(
        run.run(&["scan", "tree", "--json", "--quiet"]).code(0).stderr(),
        ""
    );
}

#[test]
fn many_files_prove_what_each_proves_alone_in_their_order() {
    let run = Run::new();
    let names: Vec<String> = (0..40).map(|number| format!("tree/{number:02}.sys")).collect();
    for (number, name) in names.iter().enumerate() {
        let mut file = driver_image(1);
        // Large ones are begun before their turn.
        let tail = if number % 9 == 4 { 3 << 20 } else { number * 7001 };
        file.extend((0..tail).map(|at| (at ^ (at >> 8) ^ number).to_le_bytes()[0]));
        run.file(name, file);
    }
    let mut together = run
        .run(&["scan", "tree", "--json", "--jobs", "3"])
        .code(0)
        .records();
    assert_eq!(together.len(), names.len());
    for (name, record) in names.iter().zip(&mut together) {
        let mut alone = run.run(&["scan", name, "--json"]).code(0).records();
        let path = record["path"].take();
        assert_eq!(path.as_str().expect("text").replace('\\', "/"), *name);
        alone[0]["path"].take();
        for record in [&mut *record, &mut alone[0]] {
            // One is weighed after the other.
            record["weighed_at"].take();
        }
        assert_eq!(*record, alone[0], "{name}");
    }
}

#[test]
fn scan_reports_a_named_file_whatever_it_is() {
    let run = Run::new();
    run.file("notes.txt", "no image");
    let mut cut = driver_image(1);
    cut.truncate(0x300);
    run.file("cut.sys", cut);
    let records = run
        .run(&["scan", "--json", "notes.txt", "cut.sys"])
        .code(0)
        .records();
    assert_eq!(records[0]["status"], "not-pe");
    assert_eq!(records[1]["status"], "malformed");
    for record in &records {
        assert!(record["error"].as_str().is_some_and(|error| !error.is_empty()));
        assert_eq!(record["flat"]["sha256"].as_str().map(str::len), Some(64));
        assert_eq!(record["authenticode"], serde_json::json!({}));
    }
}

#[test]
fn scan_goes_on_after_a_file_that_is_not_there() {
    let run = Run::new();
    run.file("a.sys", driver_image(1));
    let ran = run.run(&["scan", "missing.sys", "a.sys"]).code(1);
    assert!(ran.stderr().contains("missing.sys"), "{}", ran.stderr());
    let lines: Vec<_> = ran.stdout().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 2, "names and one row: {lines:?}");
    assert!(lines[0].starts_with("STATUS"));
    assert!(
        lines[1].starts_with("ok") && lines[1].ends_with("a.sys"),
        "{}",
        lines[1]
    );
    assert!(!ran.stdout().contains('\u{1b}'), "no colours outside a terminal");
}

#[cfg(unix)]
#[test]
fn a_name_cannot_drive_the_terminal() {
    let run = Run::new();
    run.file("a\u{1b}[31m.sys", driver_image(1));
    let ran = run.run(&["scan", "."]).code(0);
    assert!(ran.stdout().contains(r"a\u{1b}[31m.sys"), "{}", ran.stdout());
    let ran = run.run(&["scan", "--json", "."]).code(0);
    assert_eq!(ran.records()[0]["path"], "./a\u{1b}[31m.sys");
}

/// More output than a pipe holds, to a reader that leaves after the first line.
#[cfg(unix)]
#[test]
fn a_reader_that_leaves_is_no_error() {
    use run::Ran;
    use std::io::BufRead;
    use std::process::Stdio;
    let run = Run::new();
    for number in 0..300 {
        run.file(format!("{}{number}.sys", "long".repeat(40)), driver_image(1));
    }
    let mut child = run
        .command(&["scan", "--json", "."])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let mut line = String::new();
    let mut reader = std::io::BufReader::new(child.stdout.take().expect("piped"));
    reader.read_line(&mut line).expect("a line");
    drop(reader);
    Ran(child.wait_with_output().expect("ended")).code(0);
}
