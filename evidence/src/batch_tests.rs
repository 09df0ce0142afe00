//! Files side by side prove what they prove alone.

extern crate std;

use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use crate::Batch;
use crate::Findings;
use crate::Options;
use crate::Source;
use crate::SourceError;
use crate::Workspace;
use crate::examine;
use crate::testing::Pe;
use crate::testing::messages;
use crate::testing::messages::Message;
use crate::testing::signed::authority;
use crate::testing::signed::digest;
use crate::testing::signed::leaf;
use digest::side_by_side;
use proptest::prelude::any;
use proptest::proptest;

/// Everything found out about a file, as text: evidence borrows from its file's buffers.
fn alone(file: &[u8], options: &Options) -> String {
    let mut workspace = Workspace::try_new(Workspace::DEFAULT_CHUNK).unwrap();
    let mut findings = Findings::new();
    format!(
        "{:?}",
        examine(&mut { file }, options, &mut workspace, &mut findings)
    )
}

/// What a batch finds out about each of the files, in their order.
fn together<'f>(files: &[&'f [u8]], options: &Options, most: usize) -> Vec<String> {
    let mut batch = Batch::<&'f [u8], usize>::try_new(most).unwrap();
    let mut found = vec![String::new(); files.len()];
    let mut left = files.iter().enumerate();
    loop {
        while batch.has_room()
            && let Some((place, file)) = left.next()
        {
            if let Err((place, error)) = batch.add(file, place, options) {
                found[place] = format!("{:?}", Err::<(), _>(error));
            }
        }
        if batch.is_empty() {
            break;
        }
        batch.advance(None, |place, evidence, _| {
            assert!(found[place].is_empty(), "each is done once");
            found[place] = format!("{evidence:?}");
        });
    }
    found
}

/// An image whose data are of this length, signed or not, cut off or not.
fn file(length: usize, kind: u8) -> Vec<u8> {
    let plain = Pe {
        overlay: (0..length)
            .map(|at| (at ^ (at >> 8) ^ length).to_le_bytes()[0])
            .collect(),
        ..Pe::default()
    };
    match kind % 5 {
        0 => plain.build(),
        1 => {
            // As a signing tool does: the table stands at a multiple of eight.
            let mut padded = plain;
            padded.overlay.resize(length.next_multiple_of(8), 0);
            let image = digest(&padded);
            let signature = Message::over(&image, &leaf(), &[authority().issue(), leaf().issue()]);
            Pe {
                table: messages::table(&[signature.build(&[])]),
                ..padded
            }
            .build()
        }
        2 => plain.overlay,
        3 => plain.build()[..0x80].to_vec(),
        _ => Pe {
            table: vec![0x5a; 64],
            ..plain
        }
        .build(),
    }
}

proptest! {
    #[test]
    fn a_batch_finds_what_each_file_proves_alone(
        kinds in proptest::collection::vec((0_usize..300_000, any::<u8>()), 0..40),
        flat in any::<bool>(),
        most in 0_usize..20,
    ) {
        let options = Options { flat, ..Options::default() };
        let files: Vec<Vec<u8>> = kinds.iter().map(|(length, kind)| file(*length, *kind)).collect();
        let files: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
        let expected: Vec<String> = files.iter().map(|file| alone(file, &options)).collect();
        assert_eq!(together(&files, &options, most), expected);
    }
}

/// A file whose reading fails from some place on.
struct Failing<'f>(&'f [u8], u64);

impl Source for Failing<'_> {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        if offset >= self.1 {
            return Err(SourceError { status: 5, offset });
        }
        self.0.read_at(offset, buffer)
    }
}

#[test]
fn a_file_that_fails_on_its_way_leaves_the_others_alone() {
    let good = file(200_000, 0);
    let mut batch = Batch::try_new(16).unwrap();
    for (place, fails) in [u64::MAX, 100_000, u64::MAX, 0].into_iter().enumerate() {
        if !batch.has_room() {
            break;
        }
        let added = batch.add(Failing(&good, fails), place, &Options::default());
        assert_eq!(added.is_err(), fails == 0);
    }
    let mut found = Vec::new();
    while !batch.is_empty() {
        batch.advance(None, |place, evidence, _| {
            found.push((place, evidence.map(|_| ()).map_err(|error| error.kind.code())));
        });
    }
    found.sort_unstable_by_key(|(place, _)| *place);
    // Where the processor takes one at a time, the batch has room for one.
    let all = [(0, Ok(())), (1, Err(1)), (2, Ok(()))];
    assert_eq!(found, all[..side_by_side().min(3)]);
}

/// Memory stays bounded whatever the tables: the next file waits until a large one is through.
#[test]
fn large_certificate_tables_fill_a_batch() {
    let large = Pe {
        table: vec![0x5a; 3 << 20],
        ..Pe::default()
    }
    .build();
    let mut batch = Batch::try_new(16).unwrap();
    let mut taken = 0;
    while batch.has_room() {
        batch.add(&large[..], (), &Options::default()).unwrap();
        taken += 1;
    }
    assert!(taken <= 2);
    while !batch.is_empty() {
        batch.advance(None, |(), evidence, table| {
            assert!(evidence.is_ok() && table == 3 << 20);
        });
    }
    assert!(batch.has_room());
}
