//! A million random and a million mutated requests, against gates with and without policy, key and disk.

use crate::besieged::Besieged;
use crate::besieged::Changed;
use crate::besieged::seeds;
use crate::process::Content;
use crate::process::Files;
use crate::signed_tests::key_request;
use crate::signed_tests::public;
use crate::signed_tests::signed;
use crate::signed_tests::signer;
use crate::store_tests::restarted;
use crate::store_tests::set;
use crate::testing::image;
use crate::testing::push;
use protocol::event::MAX_RECORD;
use protocol::ioctl;
use protocol::message::Request;
use protocol::message::features;
use std::sync::LazyLock;
use std::vec;
use std::vec::Vec;
use zerocopy::IntoBytes;

const REQUESTS: usize = 1_000_000;
const DRIVER: &str = r"\??\C:\subject.sys";

/// Numbers that look random and are the same every time. SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() % end as u64).expect("below a usize")
    }

    fn one_of<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count.div_ceil(8))
            .flat_map(|_| self.roll().to_le_bytes())
            .take(count)
            .collect()
    }
}

/// What the owner of the key has signed: sets with their sequence numbers, and requests for another key with theirs. The last of each is
/// out of reach.
struct Owned {
    sets: Vec<(u64, Vec<u8>)>,
    key_requests: Vec<(u64, Vec<u8>)>,
}

static OWNED: LazyLock<Owned> = LazyLock::new(|| {
    let (mine, next) = (signer(1), public(&signer(2)));
    let sets = [(1, 1), (2, 2), (3, 2), (4, 1), (5, 2), (u64::MAX, 1)]
        .map(|(sequence, mark)| (sequence, signed(&mine, sequence, &set(mark))));
    let key_requests =
        [1, 1 << 33].map(|number| (number, key_request(&mine, number, next).as_bytes().to_vec()));
    Owned {
        sets: sets.to_vec(),
        key_requests: key_requests.to_vec(),
    }
});

/// The gates: without anything, with a policy, with a key and a signed one, and the last two without room on the disk.
fn besieged(number: usize) -> Besieged {
    let gate = restarted(Files::new());
    gate.host().set_features(features::FILTER);
    let content = Content {
        bytes: image(1),
        ..Content::default()
    };
    gate.host().put(DRIVER, content);
    let mut besieged = Besieged::new(gate);
    besieged.sets = [1, 2].map(set).to_vec();
    if matches!(number, 1 | 3) {
        push(&besieged.gate, &set(1));
        push(&besieged.gate, &set(2));
    }
    if matches!(number, 2 | 4) {
        let Owned { sets, key_requests } = &*OWNED;
        besieged.provision(public(&signer(1)));
        for (_, set) in &sets[..2] {
            assert_eq!(push(&besieged.gate, set).error.get(), 0);
        }
        besieged.signed.clone_from(sets);
        besieged.key_requests.clone_from(key_requests);
    }
    if number >= 3 {
        besieged.gate.host().limit_changes(Some(0));
        besieged.has_disk = false;
    }
    besieged
}

const GATES: usize = 5;

/// Sends requests that `make` makes; how many of them changed something.
fn siege(
    seed: u64,
    mut make: impl FnMut(&mut Dice, &[(u32, Vec<u8>, usize)]) -> (u32, Vec<u8>, usize),
) -> usize {
    let mut dice = Dice(seed);
    let mut changes = 0;
    for number in 0..GATES {
        let mut attacked = besieged(number);
        let examples = seeds(&attacked, DRIVER);
        for _ in 0..REQUESTS / GATES {
            let (code, input, output) = make(&mut dice, &examples);
            let effect = attacked.send(code, &input, output);
            changes += usize::from(effect != Changed::default());
            if effect.key || dice.below(1000) == 0 {
                // Someone else's key ends the game; and an old one gets a fresh start now and then.
                attacked = besieged(number);
            }
        }
    }
    changes
}

#[test]
fn a_million_random_requests() {
    let changes = siege(1, |dice, _| {
        let code = if dice.below(8) == 0 {
            u32::try_from(dice.roll() >> 32).expect("32 bits")
        } else {
            dice.one_of(&ioctl::ALL).0
        };
        let length = *dice.one_of(&[0, 7, 8, 9, 16, 24, 24, 32, 112, 200]);
        let mut input = dice.bytes(length);
        if dice.below(4) > 0 && input.len() >= size_of::<Request>() {
            input[..size_of::<Request>()].copy_from_slice(Request::new().as_bytes());
        }
        // Numbers as small as those that mean something.
        for at in (8..input.len().saturating_sub(3)).step_by(4) {
            if dice.below(2) == 0 {
                let small = u32::try_from(dice.below(4)).expect("small");
                input[at..at + 4].copy_from_slice(&small.to_le_bytes());
            }
        }
        let output = *dice.one_of(&[0, 8, 31, 40, 64, 96, 256, 1040, MAX_RECORD, MAX_RECORD + 64]);
        (code, input, output)
    });
    assert!(changes > 1000, "some were valid by chance: {changes}");
}

#[test]
fn a_million_mutated_requests() {
    let changes = siege(2, |dice, examples| {
        let (mut code, mut input, mut output) = dice.one_of(examples).clone();
        for _ in 0..dice.below(4) {
            let at = dice.below(input.len().max(1));
            match dice.below(8) {
                0 => input.truncate(at),
                1 => input.extend(vec![0; dice.below(40)]),
                2 => output = dice.below(output + 1),
                3 => code ^= 1 << dice.below(32),
                4 => code = dice.one_of(&ioctl::ALL).0,
                5 if at < input.len() => input[at] = *dice.one_of(&[0, 1, 2, 0x7f, 0x80, 0xff]),
                6 if input.len() > 8 => {
                    let at = 8 + dice.below(input.len() - 8);
                    input[at] ^= 1 << dice.below(8);
                }
                _ if at < input.len() => input[at] ^= 1 << dice.below(8),
                _ => {}
            }
        }
        (code, input, output)
    });
    assert!(
        changes > 10_000,
        "those left as they were did something: {changes}"
    );
}
