//! What a restart finds after power failed at any step of a change, or of the restart after it.

use crate::Gate;
use crate::process::Files;
use crate::process::Process;
use crate::state::ModeKept;
use crate::store_tests::in_force;
use crate::store_tests::not_kept;
use crate::store_tests::restarted;
use crate::store_tests::restored;
use crate::store_tests::roll_back;
use crate::store_tests::set;
use crate::store_tests::sha256;
use crate::store_tests::told;
use crate::store_tests::two_sets;
use crate::testing::push;
use protocol::message::Mode;
use protocol::report::StoredFile;
use std::vec::Vec;

/// The files that are read.
fn in_place(files: &Files) -> Files {
    let mut files = files.clone();
    let names = StoredFile::ALL.map(StoredFile::name);
    files.retain(|name, _| names.contains(&name.as_str()));
    files
}

/// Cuts power at every step of `change` and of the restart after it, and hands each restarted gate to `check`.
pub fn at_every_cut(
    before: &Files,
    change: impl Fn(&Gate<Process>),
    mut check: impl FnMut(&Gate<Process>),
) -> usize {
    let gate = restarted(before.clone());
    gate.host().record_cuts(64);
    change(&gate);
    let cuts = gate.host().cuts();
    let mut tried = 0;
    for files in cuts {
        let mut seen = in_place(&files);
        let again = Gate::try_new(Process::with_stored(files)).expect("memory");
        again.host().record_cuts(2);
        again.restore();
        let second_cuts = again.host().cuts();
        check(&again);
        tried += 1;
        // What power leaves that fails again while the first failure is made good. New files that did not take their place are written
        // over whatever they hold; that was tried above, with the same in place.
        for files in second_cuts {
            let found = in_place(&files);
            if found != seen {
                seen = found;
                check(&restarted(files));
                tried += 1;
            }
        }
    }
    tried
}

#[test]
fn whenever_power_fails_the_old_set_or_the_new_one_is_found() {
    let [first, second, third] = [1, 2, 3].map(set);
    let zeros = [0; 32];
    let empty = Files::new();
    let one = {
        let gate = restarted(Files::new());
        push(&gate, &first);
        gate.host().stored()
    };
    let two = {
        let gate = restarted(one.clone());
        push(&gate, &second);
        gate.host().stored()
    };
    let pushed = |new: Vec<u8>| move |gate: &Gate<Process>| assert_eq!(push(gate, &new).persisted.get(), 0);
    let rolled = |gate: &Gate<Process>| assert_eq!(roll_back(gate).persisted.get(), 0);
    let mut tried = 0;
    let mut run = |before: &Files, change: &dyn Fn(&Gate<Process>), old: [u8; 32], new: [u8; 32]| {
        let (mut olds, mut news) = (0, 0);
        tried += at_every_cut(before, change, |gate| {
            let found = in_force(gate);
            assert!(
                found == old || found == new,
                "neither the old set nor the new one: {found:x?}"
            );
            olds += usize::from(found == old);
            news += usize::from(found == new);
            assert_eq!(gate.state().mode.asked, Mode::Evaluate);
            // The gate is whole: what is pushed next is kept.
            push(gate, &third);
            assert_eq!(in_force(&restarted(gate.host().stored())), sha256(&third));
        });
        assert!(olds > 0 && news > 0, "both outcomes were met");
    };
    run(&empty, &pushed(first.clone()), zeros, sha256(&first));
    run(&one, &pushed(second.clone()), sha256(&first), sha256(&second));
    run(&two, &pushed(set(4)), sha256(&second), sha256(&set(4)));
    run(&two, &rolled, sha256(&second), sha256(&first));
    assert!(tried > 500, "{tried}");
}

#[test]
fn whenever_power_fails_the_old_state_or_the_new_one_is_found() {
    let gate = restarted(Files::new());
    push(&gate, &set(1));
    let old = gate.state().mode;
    let new = ModeKept {
        asked: Mode::Enforce,
        until: 1 << 60,
    };
    let (mut olds, mut news) = (0, 0);
    at_every_cut(
        &gate.host().stored(),
        |gate| gate.keep_mode(new).expect("kept"),
        |gate| {
            let found = gate.state().mode;
            assert!(found == old || found == new);
            olds += usize::from(found == old);
            news += usize::from(found == new);
            assert_eq!(
                in_force(gate),
                sha256(&set(1)),
                "the set has nothing to do with it"
            );
            let amiss = [restored(StoredFile::Active), not_kept()];
            assert_eq!(told(gate), amiss, "and nothing but the end is amiss");
        },
    );
    assert!(olds > 100 && news > 0);
}

#[test]
fn whenever_power_fails_at_a_stop_the_next_start_knows() {
    let (mut unkept, mut kept) = (0, 0);
    at_every_cut(&two_sets(), Gate::save_at_stop, |gate| {
        match told(gate).as_slice() {
            [one, other] => {
                assert_eq!([one, other], [&restored(StoredFile::Active), &not_kept()]);
                unkept += 1;
            }
            all => {
                assert_eq!(all, [restored(StoredFile::Active)]);
                kept += 1;
            }
        }
    });
    assert!(unkept > 100 && (1..20).contains(&kept), "{unkept} {kept}");
}
