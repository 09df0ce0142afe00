//! Whoever approves an image by its Authenticode digest approves every byte that the loader makes code or data of.
//!
//! Files are changed at random. All that are conformant and have one digest must be mapped alike, but for what the digest leaves out
//! by the format's own word: `CheckSum`, the security directory entry, and what shares the last page of the last data.

use std::env;
use std::fs;
use std::path::Path;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use evidence::Findings;
use evidence::Options;
use evidence::Workspace;
use evidence::examine;
use gatehouse_tests::loader_map::Fields;
use gatehouse_tests::loader_map::Map;
use gatehouse_tests::loader_map::mapped;
use gatehouse_tests::loader_map::mutate;
use gatehouse_tests::loader_map::put;
use gatehouse_tests::loader_map::put_u16;
use gatehouse_tests::signed_images::images;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// How many changed files are looked at: a slice of the ten million that were, unless this variable says another number.
const MUTANTS: &str = "GATEHOUSE_MAPPING_MUTANTS";

fn mutants() -> Result<usize> {
    match env::var(MUTANTS) {
        Ok(number) => number.parse().with_context(|| format!("{MUTANTS}={number}")),
        Err(_) => Ok(20_000),
    }
}

const OPTIONAL: usize = 0x98;
const SECTIONS: usize = OPTIONAL + 240;

/// How an image is made.
#[derive(Clone)]
struct Shape {
    wide: bool,
    section_alignment: usize,
    file_alignment: usize,
    optional_size: usize,
    size_of_headers: usize,
    /// Of each section: place in the file, size of its data, size in memory.
    sections: Vec<(usize, usize, usize)>,
    overlay: usize,
    table: usize,
    /// What is written over the headers in the end: offsets and values.
    lies: Vec<(usize, usize)>,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            wide: true,
            section_alignment: 0x1000,
            file_alignment: 0x200,
            optional_size: 240,
            size_of_headers: 0x400,
            sections: vec![(0x400, 0x400, 0x3f0), (0x800, 0x200, 0x1800)],
            overlay: 0,
            table: 0x100,
            lies: Vec::new(),
        }
    }
}

impl Shape {
    fn build(&self) -> Vec<u8> {
        let end = self
            .sections
            .iter()
            .map(|(start, size, _)| start + size)
            .fold(self.size_of_headers, usize::max);
        let mut file: Vec<u8> = (0..end + self.overlay)
            .map(|at| (at / 7 + at).to_le_bytes()[0] | 1)
            .collect();
        file[..0x400].fill(0);
        file[..2].copy_from_slice(b"MZ");
        put(&mut file, 0x3c, 0x80);
        file[0x80..0x84].copy_from_slice(b"PE\0\0");
        put_u16(&mut file, 0x84, 0x8664);
        put_u16(&mut file, 0x86, self.sections.len());
        put_u16(&mut file, 0x94, self.optional_size);
        put_u16(&mut file, 0x96, 0x22);
        put_u16(&mut file, OPTIONAL, if self.wide { 0x20b } else { 0x10b });
        let fields = Fields::of(&file);
        let count = fields.security() - 32 - 4;
        for (field, value) in [
            (OPTIONAL + 32, self.section_alignment),
            (OPTIONAL + 36, self.file_alignment),
            (OPTIONAL + 60, self.size_of_headers),
            (OPTIONAL + 68, 1),
            (count, if self.optional_size < 224 { 5 } else { 16 }),
        ] {
            put(&mut file, field, value);
        }
        let flat = self.section_alignment < 0x1000;
        let mut address = self.size_of_headers.next_multiple_of(self.section_alignment);
        for (index, (start, size, memory)) in self.sections.iter().enumerate() {
            let at = OPTIONAL + self.optional_size + 40 * index;
            let (place, memory) = if flat { (*start, *size) } else { (address, *memory) };
            for (field, value) in [(8, memory), (12, place), (16, *size), (20, *start)] {
                put(&mut file, at + field, value);
            }
            address = (place + memory).next_multiple_of(self.section_alignment);
        }
        put(&mut file, OPTIONAL + 56, address);
        if self.table > 0 {
            file.resize(file.len().next_multiple_of(8), 0);
            let place = file.len();
            put(&mut file, fields.security(), place);
            put(&mut file, fields.security() + 4, self.table);
            file.resize(place + self.table, 0x5a);
        }
        for (field, value) in &self.lies {
            put(&mut file, *field, *value);
        }
        file
    }
}

/// Images of every kind that the rule tells apart.
fn shapes() -> Vec<Shape> {
    let whole = Shape::default();
    let flat = |alignment, table| Shape {
        section_alignment: alignment,
        file_alignment: alignment,
        sections: vec![(0x400, 0x300, 0), (0x700, 0x180, 0)],
        table,
        ..Shape::default()
    };
    vec![
        whole.clone(),
        Shape {
            table: 0,
            ..whole.clone()
        },
        Shape {
            table: 0,
            overlay: 13,
            ..whole.clone()
        },
        Shape {
            wide: false,
            optional_size: 224,
            table: 0x1800,
            ..whole.clone()
        },
        // Headers that cover the first section, too.
        Shape {
            size_of_headers: 0x600,
            ..whole.clone()
        },
        // Room for a table before the first section.
        Shape {
            size_of_headers: 0x800,
            sections: vec![(0x800, 0x400, 0x400), (0xc00, 0x200, 0x200)],
            table: 0x40,
            ..whole.clone()
        },
        Shape {
            sections: vec![(0x800, 0x400, 0x400), (0xc00, 0x200, 0x200)],
            ..whole.clone()
        },
        // SizeOfHeaders and SizeOfRawData that reach over the table.
        Shape {
            lies: vec![(OPTIONAL + 60, 0xa80)],
            ..whole.clone()
        },
        Shape {
            lies: vec![(SECTIONS + 40 + 8, 0x200), (SECTIONS + 40 + 16, 0xffff_0200)],
            ..whole.clone()
        },
        // A section that maps the headers, as its data begins in their sector.
        Shape {
            sections: vec![(0x1f0, 0x200, 0x200), (0x400, 0x200, 0x200)],
            ..whole.clone()
        },
        // Data that ends in mid-sector.
        Shape {
            sections: vec![(0x400, 0x400, 0x400), (0x800, 0x1f8, 0x4000)],
            table: 0x2000,
            ..whole.clone()
        },
        // Data that is counted in units of more than a page.
        Shape {
            section_alignment: 0x4000,
            file_alignment: 0x4000,
            sections: vec![(0x4000, 0x4000, 0x4000), (0x8000, 0x210, 0x4000)],
            table: 0x2000,
            ..whole.clone()
        },
        // Out of order, and in mid-sector.
        Shape {
            sections: vec![(0x900, 0x100, 0x100), (0x400, 0x210, 0x2000), (0x620, 0x2e0, 0)],
            ..whole.clone()
        },
        flat(0x20, 0x100),
        flat(0x80, 0x2000),
        flat(0x200, 0),
        // SizeOfImage that reaches over the table.
        Shape {
            lies: vec![(OPTIONAL + 56, 0x2000)],
            ..flat(0x40, 0x2000)
        },
        // Section headers under the entry, and under CheckSum.
        Shape {
            optional_size: 128,
            ..whole.clone()
        },
        Shape {
            optional_size: 136,
            ..whole
        },
    ]
}

/// What happened to the changed files.
#[derive(Debug, Default)]
struct Tally {
    mutants: usize,
    kept_digest: usize,
    /// Of those, the ones mapped otherwise: none of them may be conformant.
    moved: usize,
    /// Of those that kept their digest, the ones that are conformant.
    conformant: usize,
}

/// What is known of an image before it is changed.
struct Original<'f> {
    file: &'f [u8],
    digest: [u8; 32],
    map: Map,
    /// How conformant images of this digest are mapped: as the first of them.
    approved: Option<Map>,
}

/// Changes these files at random, and stops at the first that is conformant, keeps its digest and is mapped otherwise than another
/// such one.
fn hunt(files: &[Vec<u8>], mutants: usize, seed: u64) -> Result<Tally> {
    let mut workspace = Workspace::try_new(Workspace::DEFAULT_CHUNK)?;
    let mut known = |file: &[u8]| {
        let mut findings = Findings::new();
        let evidence = examine(&mut { file }, &Options::default(), &mut workspace, &mut findings).ok()?;
        let digest = evidence.digests.present()?.sha256?;
        Some((digest, evidence.image.present()?.conformant))
    };
    let mut originals = Vec::new();
    for file in files {
        let (digest, conformant) = known(file).context("each is an image")?;
        let map = mapped(file);
        originals.push(Original {
            file,
            digest,
            approved: conformant.then(|| map.clone()),
            map,
        });
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut tally = Tally::default();
    for number in 0..mutants {
        let which = number % originals.len();
        let original = &mut originals[which];
        let mut mutant = original.file.to_vec();
        mutate(&mut mutant, &mut random);
        tally.mutants += 1;
        let Some((digest, conformant)) = known(&mutant) else {
            continue;
        };
        if digest != original.digest {
            continue;
        }
        let map = mapped(&mutant);
        tally.kept_digest += 1;
        tally.moved += usize::from(map != original.map);
        if !conformant {
            continue;
        }
        tally.conformant += 1;
        if map != *original.approved.get_or_insert_with(|| map.clone()) {
            let place = env::temp_dir().join("gatehouse-mapping-mutant.sys");
            fs::write(&place, &mutant)?;
            anyhow::bail!(
                "mutant {number}, of image {which}, is conformant, keeps its digest and is mapped otherwise: {}",
                place.display()
            );
        }
    }
    Ok(tally)
}

#[test]
fn no_change_to_a_made_image_keeps_digest_and_conformance_and_moves_a_byte() -> Result<()> {
    let files: Vec<_> = shapes().iter().map(Shape::build).collect();
    let tally = hunt(&files, mutants()?, 1)?;
    println!("{tally:?}");
    // The hunt reaches what the rule is there for, and what it must let through.
    ensure!(tally.moved * 1000 > tally.mutants, "{tally:?}");
    ensure!(tally.conformant * 50 > tally.mutants, "{tally:?}");
    Ok(())
}

#[test]
fn no_change_to_a_published_image_keeps_digest_and_conformance_and_moves_a_byte() -> Result<()> {
    let mut files = Vec::new();
    collect(&images()?, &mut files)?;
    ensure!(files.len() > 20, "{} images", files.len());
    let tally = hunt(&files, mutants()? / 10, 2)?;
    println!("{tally:?}");
    ensure!(tally.conformant * 50 > tally.mutants, "{tally:?}");
    Ok(())
}

/// The images of a folder, but for the larger ones: of them no other kind of bytes would be seen.
fn collect(folder: &Path, files: &mut Vec<Vec<u8>>) -> Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else if (1..200 << 10).contains(&entry.metadata()?.len()) {
            let file = fs::read(entry.path())?;
            let mut findings = Findings::new();
            let mut workspace = Workspace::try_new(Workspace::DEFAULT_CHUNK)?;
            if examine(&mut &file[..], &Options::default(), &mut workspace, &mut findings).is_ok() {
                files.push(file);
            }
        }
    }
    Ok(())
}
