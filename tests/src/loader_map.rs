//! A plain model of what Windows' loader maps of an image, and ways to change a file so that its Authenticode digest might not
//! notice.
//!
//! Written without a look at the reader it checks. Sources: the PE format page, Corkami's notes on what Windows runs, and ReactOS's
//! section code. Where these leave room the model maps more.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore;

const PAGE: usize = 0x1000;
const SECTOR: usize = 0x200;

/// Where the fields of an image lie in its file.
#[derive(Clone, Copy)]
pub struct Fields {
    nt: usize,
    optional: usize,
    directories: usize,
}

impl Fields {
    /// The fields of a file whose headers can be found.
    pub fn of(file: &[u8]) -> Self {
        let nt = u32_at(file, 0x3c);
        let optional = nt + 24;
        let wide = u16_at(file, optional) == 0x20b;
        Self {
            nt,
            optional,
            directories: optional + if wide { 112 } else { 96 },
        }
    }

    /// The security directory entry.
    pub const fn security(self) -> usize {
        self.directories + 32
    }

    /// `CheckSum`.
    pub const fn checksum(self) -> usize {
        self.optional + 64
    }

    /// The first section header.
    pub fn sections(self, file: &[u8]) -> usize {
        self.section(file, 0)
    }

    fn section(self, file: &[u8], index: usize) -> usize {
        self.optional + u16_at(file, self.nt + 20) + 40 * index
    }
}

/// What is in memory: addresses, and the bytes from there on without the zeros behind them.
pub type Map = Vec<(usize, Vec<u8>)>;

/// What the loader makes of a file. `CheckSum` and the security directory entry in the headers are blank, and so is what follows the
/// last data of the file in its page.
pub fn mapped(file: &[u8]) -> Map {
    let fields = Fields::of(file);
    let [section_alignment, file_alignment, size_of_image, size_of_headers] =
        [32, 36, 56, 60].map(|field| u32_at(file, fields.optional + field));
    let sections: Vec<_> = (0..u16_at(file, fields.nt + 6))
        .map(|index| fields.section(file, index))
        .map(|at| [8, 12, 16, 20].map(|field| u32_at(file, at + field)))
        .collect();
    let data_end = sections
        .iter()
        .filter(|[_, _, size, start]| *size > 0 && *start > 0)
        .map(|[_, _, size, start]| start + size)
        .fold(size_of_headers, usize::max);
    let piece = |start: usize, end: usize| {
        let end = end.min(file.len());
        let mut bytes = file.get(start..end).unwrap_or_default().to_vec();
        let last_page = start + data_end.saturating_sub(start).next_multiple_of(PAGE);
        let (from, to) = (data_end.max(start) - start, last_page.min(end).max(start) - start);
        if from < to && data_end >= start {
            bytes[from..to].fill(0);
        }
        bytes
    };

    // With less than a page the kernel maps the file as it lies, and takes only images whose sections lie there too.
    let in_place = |[_, address, size, start]: &[usize; 4]| *size == 0 || *start == 0 || address == start;
    let flat = section_alignment < PAGE && sections.iter().all(in_place);
    let headers_end = if flat {
        size_of_image.next_multiple_of(PAGE)
    } else {
        size_of_headers
    };
    let mut headers = piece(0, headers_end);
    for (at, length) in [(fields.optional + 64, 4), (fields.security(), 8)] {
        let end = (at + length).min(headers.len());
        headers.get_mut(at..end).unwrap_or_default().fill(0);
    }
    let mut map = vec![(0, headers)];
    for [virtual_size, address, raw_size, raw_offset] in sections {
        if raw_size == 0 || raw_offset == 0 {
            continue;
        }
        let memory = if virtual_size == 0 { raw_size } else { virtual_size };
        let (start, end) = if flat {
            (raw_offset, raw_offset + raw_size)
        } else {
            let start = raw_offset / SECTOR * SECTOR;
            let end = (raw_offset + raw_size).next_multiple_of(file_alignment.max(1));
            (start, end.min(start + memory.next_multiple_of(PAGE)))
        };
        map.push((address, piece(start, end)));
    }
    for (_, bytes) in &mut map {
        let length = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        bytes.truncate(length);
    }
    map
}

/// Changes a file in one to three ways that touch what a digest leaves out, or where the loader finds things.
pub fn mutate(file: &mut Vec<u8>, random: &mut ChaCha8Rng) {
    for _ in 0..=below(random, 3) {
        mutate_once(file, random);
    }
}

fn mutate_once(file: &mut Vec<u8>, random: &mut ChaCha8Rng) {
    let fields = Fields::of(file);
    let entry = fields.security();
    let table = u32_at(file, entry)..u32_at(file, entry).saturating_add(u32_at(file, entry + 4));
    let place = interesting(file, fields, random);
    match below(random, 16) {
        0 => put(file, entry, place),
        1 => put(file, entry + 4, place),
        // The table, or a part of it, somewhere else: what lies behind moves.
        2 | 3 if table.start > 0 && table.end <= file.len() => {
            let mut moved: Vec<u8> = file.drain(table).collect();
            if below(random, 2) == 0 {
                moved.truncate(8 << below(random, 8));
            }
            insert(file, place, &moved, entry);
        }
        // A table in a file, with or without one.
        2..=4 => {
            let length = 8 << below(random, 10);
            insert(file, place, &vec![0x5a; length], entry);
        }
        5 => {
            let place = place.min(file.len());
            let count = [1, 8, 16, 512, 4096][below(random, 5)];
            file.splice(place..place, vec![0; count]);
        }
        6 => {
            let count = [1, 8, 512, 4096][below(random, 4)];
            file.resize(file.len() + count, 0x41);
            if below(random, 2) == 0 {
                put(file, entry + 4, (table.end - table.start) + count);
            }
        }
        7 => file.truncate(file.len().saturating_sub(below(random, 64))),
        8 => put(file, fields.directories - 4, below(random, 18)),
        9 => flip(file, fields.optional + 64 + below(random, 4), random),
        10 => flip(file, entry + below(random, 8), random),
        11 => {
            let size = u16_at(file, fields.nt + 20);
            let size = size.wrapping_add_signed([-40, -32, -8, -4, 8, 40][below(random, 6)]);
            put_u16(file, fields.nt + 20, size);
        }
        12 if table.start < table.end && table.end <= file.len() => {
            flip(file, table.start + below(random, table.end - table.start), random);
        }
        13 => put_u16(file, fields.optional, [0x10b, 0x20b][below(random, 2)]),
        14 => {
            let field = fields.optional + [32, 36, 56, 60][below(random, 4)];
            put(file, field, place);
        }
        _ => {
            let sections = u16_at(file, fields.nt + 6).max(1);
            let section = fields.section(file, below(random, sections));
            put(file, section + 8 + 4 * below(random, 4), place);
        }
    }
}

/// A number that is a place in the file, or next to one.
fn interesting(file: &[u8], fields: Fields, random: &mut ChaCha8Rng) -> usize {
    let entry = fields.security();
    let section = fields.section(file, below(random, u16_at(file, fields.nt + 6).max(1)));
    let headers_end = fields.section(file, u16_at(file, fields.nt + 6));
    let places = [
        0,
        8,
        0x200,
        0x400,
        0x1000,
        0x8000_0000,
        0xffff_fff8,
        fields.optional + 64,
        entry,
        section,
        headers_end.next_multiple_of(8),
        u32_at(file, fields.optional + 60),
        u32_at(file, section + 20),
        u32_at(file, section + 20) + u32_at(file, section + 16),
        u32_at(file, entry),
        u32_at(file, entry) + u32_at(file, entry + 4),
        file.len(),
        file.len().next_multiple_of(8),
    ];
    let place = places[below(random, places.len())];
    [place, place, place.saturating_sub(8), place + 8][below(random, 4)]
}

fn insert(file: &mut Vec<u8>, place: usize, table: &[u8], entry: usize) {
    if place >= file.len() {
        file.resize(file.len().next_multiple_of(8), 0);
    }
    let place = place.min(file.len());
    file.splice(place..place, table.iter().copied());
    put(file, entry, place);
    put(file, entry + 4, table.len());
}

/// A number below `bound`, which is not zero.
pub fn below(random: &mut ChaCha8Rng, bound: usize) -> usize {
    random.next_u32() as usize % bound
}

fn flip(file: &mut [u8], at: usize, random: &mut ChaCha8Rng) {
    if let Some(byte) = file.get_mut(at) {
        *byte ^= 1 << below(random, 8);
    }
}

/// The number at `at`, or 0 behind the end.
pub fn u32_at(file: &[u8], at: usize) -> usize {
    let bytes = file.get(at..).and_then(<[u8]>::first_chunk);
    bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize)
}

/// The number at `at`, or 0 behind the end.
pub fn u16_at(file: &[u8], at: usize) -> usize {
    let bytes = file.get(at..).and_then(<[u8]>::first_chunk);
    bytes.map_or(0, |bytes| u16::from_le_bytes(*bytes).into())
}

/// Writes the low 32 bits of a number, if there is room at `at`.
pub fn put(file: &mut [u8], at: usize, value: usize) {
    put_bytes(file, at, &value.to_le_bytes()[..4]);
}

/// Writes the low 16 bits of a number, if there is room at `at`.
pub fn put_u16(file: &mut [u8], at: usize, value: usize) {
    put_bytes(file, at, &value.to_le_bytes()[..2]);
}

fn put_bytes(file: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = file.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len())) {
        place.copy_from_slice(bytes);
    }
}
