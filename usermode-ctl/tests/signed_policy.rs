//! Signed policies as users see them: every command that takes one says who signed it and whether that holds.

#[path = "../../sipolicy/tests/envelope/mod.rs"]
mod envelope;
#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

use envelope::Form;
use envelope::Signer;

/// Runs the command in a folder and gives both outputs in one.
#[track_caller]
fn run(folder: &Path, words: &str, exit_code: i32) -> String {
    let ran = Command::new(env!("CARGO_BIN_EXE_gatehouse"))
        .args(words.split_whitespace())
        .current_dir(folder)
        .env("GATEHOUSE_DATA", folder.join("data"))
        .stdin(Stdio::null())
        .output()
        .expect("started");
    let text = String::from_utf8([ran.stdout, ran.stderr].concat()).expect("UTF-8");
    assert_eq!(ran.status.code(), Some(exit_code), "{words}\n{text}");
    text
}

#[test]
fn every_command_says_who_signed_a_policy_and_whether_it_holds() {
    let folder = tempfile::tempdir().expect("folder");
    let folder = folder.path();
    fs::write(folder.join("1.sys"), support::driver_image(1)).expect("written");
    run(folder, "policy new --level Hash -o made.xml 1.sys", 0);
    // Events name the policy, so that lint finds nothing in it but its signature.
    run(folder, "policy convert made.xml made.cip", 0);
    let policy = fs::read(folder.join("made.cip")).expect("read");
    let signer = Signer::new("Contoso Policies");
    for form in [Form::Der, Form::Ber] {
        let sound = signer.envelope(&policy, form, true);
        let mut changed = sound.clone();
        // Its version, which stands 0x3c bytes into the policy.
        let at = sound
            .windows(32)
            .position(|window| window == &policy[..32])
            .expect("there");
        changed[at + 0x3c] ^= 1;
        fs::write(folder.join("sound.p7b"), &sound).expect("written");
        fs::write(folder.join("changed.p7b"), &changed).expect("written");
        for (name, lint, says) in [
            (
                "sound.p7b",
                0,
                "signed by \"Contoso Policies\"; the signature holds",
            ),
            (
                "changed.p7b",
                10,
                "signed by \"Contoso Policies\"; THE SIGNATURE DOES NOT HOLD",
            ),
        ] {
            for (words, exit_code) in [
                (format!("policy show {name}"), 0),
                (format!("policy lint {name}"), lint),
                (format!("policy convert {name} out.xml"), 0),
                (format!("policy convert {name} out.cip"), 0),
                (format!("policy merge made.xml {name} -o out.xml"), 0),
                (format!("policy diff {name} made.cip"), 0),
                (format!("policy compile {name} -o out.ghp"), 0),
                (format!("simulate --policy {name} 1.sys"), 0),
            ] {
                let text = run(folder, &words, exit_code);
                assert!(text.contains(says), "{form:?} {words}\n{text}");
                if words.contains("convert") {
                    assert!(text.contains("the signature was left out"), "{words}\n{text}");
                }
                if words.contains("merge") {
                    assert!(text.contains("its signature was left out"), "{words}\n{text}");
                }
            }
            let shown = run(folder, &format!("--json policy show {name}"), 0);
            assert!(shown.contains("signature: signed by"), "{shown}");
        }
        assert!(run(folder, "policy lint changed.p7b", 10).contains("GH013"));
        // The unsigned form has nothing of it.
        run(folder, "policy convert sound.p7b out.cip", 0);
        assert_eq!(fs::read(folder.join("out.cip")).expect("read"), policy);
    }
}
