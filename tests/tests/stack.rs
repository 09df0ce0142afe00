//! How much stack the compiled driver can take, from its unwind information and its calls.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;

use iced_x86::Decoder;
use iced_x86::DecoderOptions;
use iced_x86::FlowControl;
use iced_x86::Instruction;
use iced_x86::OpKind;
use iced_x86::Register;
use object::LittleEndian as LE;
use object::pe;
use object::read::pe::PeFile64;

/// The driver's functions, by address.
struct Program {
    functions: BTreeMap<u32, Function>,
    addressed: BTreeSet<u32>,
}

struct Function {
    name: String,
    /// Bytes of stack it takes itself, the return address included.
    frame: u32,
    calls: BTreeSet<u32>,
    /// Where it calls what only run time tells, other than the kernel.
    indirect: Vec<u32>,
}

fn bytes_at<'d>(image: &PeFile64<'d>, address: u32) -> &'d [u8] {
    image
        .section_table()
        .pe_data_at(image.data(), address)
        .unwrap_or_default()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// Stack that the prologue takes, from its unwind codes, and the beginning of the function this is a part of.
///
/// Source: Microsoft, "x64 exception handling".
fn unwind(image: &PeFile64<'_>, address: u32) -> (u32, Option<u32>) {
    let info = bytes_at(image, address);
    let (flags, count) = (info[0] >> 3, usize::from(info[2]));
    let code = |index: usize| u16::from_le_bytes([info[4 + 2 * index], info[5 + 2 * index]]);
    let (mut bytes, mut index) = (0, 0);
    while index < count {
        let (operation, argument) = ((code(index) >> 8) & 0xf, u32::from(code(index) >> 12));
        let (taken, used) = match (operation, argument) {
            (0, _) => (8, 1),
            (1, 0) => (8 * u32::from(code(index + 1)), 2),
            (1, _) => (u32::from(code(index + 1)) | u32::from(code(index + 2)) << 16, 3),
            (2, size) => (8 * size + 8, 1),
            (3, _) => (0, 1),
            (4 | 8, _) => (0, 2),
            (5 | 9, _) => (0, 3),
            other => panic!("unwind code {other:?}"),
        };
        bytes += taken;
        index += used;
    }
    let chained = flags & 4 != 0;
    let after = 4 + 2 * count.next_multiple_of(2);
    (bytes, chained.then(|| u32_at(info, after)))
}

/// Names of the functions, from the linker's map beside the driver.
fn names(driver: &std::path::Path) -> BTreeMap<u32, String> {
    let map = driver.with_file_name("deps").join("gatehouse.map");
    let text = fs::read_to_string(&map).unwrap_or_else(|error| panic!("{}: {error}", map.display()));
    let base = 0x1_8000_0000_u64;
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (place, name, address) = (words.next()?, words.next()?, words.next()?);
            let address = u64::from_str_radix(address, 16).ok()?;
            place.starts_with("0001:").then_some(())?;
            Some((u32::try_from(address.checked_sub(base)?).ok()?, name.to_owned()))
        })
        .collect()
}

fn program() -> Program {
    let path = lab::build_driver().expect("the driver builds");
    let file = fs::read(&path).expect("the built driver can be read");
    let image = PeFile64::parse(&*file).expect("a PE32+ image");
    let directory = |index| {
        let directory = image.data_directory(index).expect("the directory");
        (directory.virtual_address.get(LE), directory.size.get(LE))
    };
    let mut functions = BTreeMap::new();
    let mut parts: BTreeMap<u32, u32> = BTreeMap::new();
    let names = names(&path);
    let (table, size) = directory(pe::IMAGE_DIRECTORY_ENTRY_EXCEPTION);
    for entry in bytes_at(&image, table)[..size as usize].chunks_exact(12) {
        let (begin, end, info) = (u32_at(entry, 0), u32_at(entry, 4), u32_at(entry, 8));
        let (frame, whole) = unwind(&image, info);
        parts.insert(begin, whole.unwrap_or(begin));
        functions.insert(begin, (end, frame + 8));
    }
    // Functions without unwind information take no stack but their return address.
    let code = image
        .section_table()
        .iter()
        .find(|section| &section.name == b".text\0\0\0")
        .expect(".text");
    let code_end = code.virtual_address.get(LE) + code.virtual_size.get(LE);
    for name in names.keys() {
        let inside = functions
            .range(..=name)
            .next_back()
            .is_some_and(|(_, (end, _))| name < end);
        if !inside {
            let next = names.range(name + 1..).next().map_or(code_end, |(next, _)| *next);
            let next = functions
                .range(name + 1..)
                .next()
                .map_or(next, |(begin, _)| next.min(*begin));
            functions.insert(*name, (next, 8));
        }
    }
    let (imports, imports_size) = directory(pe::IMAGE_DIRECTORY_ENTRY_IAT);
    let mut found: BTreeMap<u32, Function> = BTreeMap::new();
    for (&begin, &(end, frame)) in &functions {
        let whole = *parts.get(&begin).unwrap_or(&begin);
        let bytes = &bytes_at(&image, begin)[..(end - begin) as usize];
        let function = found.entry(whole).or_insert_with(|| Function {
            name: names
                .range(..=whole)
                .next_back()
                .map_or_else(String::new, |(_, name)| name.clone()),
            frame: 0,
            calls: BTreeSet::new(),
            indirect: Vec::new(),
        });
        function.frame += frame;
        for one in Decoder::with_ip(64, bytes, u64::from(begin), DecoderOptions::NONE) {
            edge(
                &one,
                whole,
                &parts,
                (begin, end),
                (imports, imports + imports_size),
                function,
            );
        }
    }
    let addressed = addressed(&image, &found);
    Program {
        functions: found,
        addressed,
    }
}

fn edge(
    one: &Instruction,
    whole: u32,
    parts: &BTreeMap<u32, u32>,
    (begin, end): (u32, u32),
    (imports, imports_end): (u32, u32),
    function: &mut Function,
) {
    let near = |one: &Instruction| u32::try_from(one.near_branch_target()).expect("inside the image");
    match one.flow_control() {
        FlowControl::Call | FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch
            if one.op0_kind() == OpKind::NearBranch64 =>
        {
            let target = near(one);
            let target_whole = parts.get(&target).copied().unwrap_or(target);
            let inside = (begin..end).contains(&target) && one.flow_control() != FlowControl::Call;
            if !inside && (target_whole != whole || one.flow_control() == FlowControl::Call) {
                function.calls.insert(target);
            }
        }
        FlowControl::IndirectCall | FlowControl::IndirectBranch => {
            let to_kernel = one.memory_base() == Register::RIP
                && u32::try_from(one.ip_rel_memory_address())
                    .is_ok_and(|slot| (imports..imports_end).contains(&slot));
            if !to_kernel {
                function
                    .indirect
                    .push(u32::try_from(one.ip()).expect("inside the image"));
            }
        }
        _ => {}
    }
}

/// Functions whose address stands in the image's data: what virtual calls reach, and the kernel's entry points.
fn addressed(image: &PeFile64<'_>, functions: &BTreeMap<u32, Function>) -> BTreeSet<u32> {
    let relocations = image
        .data_directories()
        .relocation_blocks(image.data(), &image.section_table())
        .expect("relocations")
        .expect("relocations");
    let mut found = BTreeSet::new();
    let mut blocks = relocations;
    while let Some(block) = blocks.next().expect("a block") {
        for relocation in block {
            let pointer = bytes_at(image, relocation.virtual_address);
            let target = u64::from_le_bytes(pointer[..8].try_into().expect("a pointer")) - 0x1_8000_0000;
            let target = u32::try_from(target).expect("inside the image");
            // Formatting reaches a line through its `write_str` and `write_char`; nothing calls the third.
            if functions
                .get(&target)
                .is_some_and(|one| !one.name.contains("9write_fmt"))
            {
                found.insert(target);
            }
        }
    }
    found
}

impl Program {
    /// The most stack that a call of this function can take in the driver, and by which way. A virtual call costs as much as the
    /// dearest function that one can reach; recursion is allowed to those of [`RECURSIVE`] alone, as deep as they bound it.
    fn deepest(&self, at: u32, known: &mut BTreeMap<u32, Option<Deepest>>) -> Deepest {
        match known.get(&at) {
            Some(Some(deepest)) => return deepest.clone(),
            Some(None) => panic!("{} calls itself", self.functions[&at].name),
            None => {}
        }
        known.insert(at, None);
        let Some(function) = self.functions.get(&at) else {
            return Deepest::default();
        };
        let recursion = RECURSIVE.iter().find(|(name, _)| function.name.contains(name));
        let virtual_calls = self
            .addressed
            .iter()
            .filter(|_| !function.indirect.is_empty() && !self.addressed.contains(&at));
        let mut deepest = Deepest::default();
        for callee in function.calls.iter().chain(virtual_calls) {
            if *callee == at && recursion.is_some() {
                continue;
            }
            let below = self.deepest(*callee, known);
            if below.bytes > deepest.bytes {
                deepest = below;
            }
        }
        deepest.bytes += function.frame * recursion.map_or(1, |(_, depth)| *depth);
        deepest
            .way
            .push(format!("{:6} {}", function.frame, function.name));
        known.insert(at, Some(deepest.clone()));
        deepest
    }

    /// What the function with this in its name can take at most must be under `limit` bytes.
    fn takes_less_than(&self, name: &str, limit: u32) {
        let mut found = self.functions.iter().filter(|(_, one)| one.name.ends_with(name));
        let (at, _) = found.next().unwrap_or_else(|| panic!("no function {name}"));
        let deepest = self.deepest(*at, &mut BTreeMap::new());
        let way = deepest.way.iter().rev().cloned().collect::<Vec<_>>().join("\n");
        println!("{name}: {} bytes", deepest.bytes);
        assert!(
            deepest.bytes < limit,
            "{name} takes up to {} bytes:\n{way}",
            deepest.bytes
        );
    }
}

/// The deepest way down from a function.
#[derive(Clone, Default)]
struct Deepest {
    bytes: u32,
    /// The functions on it, the deepest first.
    way: Vec<String>,
}

/// Functions that may call themselves, and how deep they let that go.
const RECURSIVE: [(&str, u32); 2] = [("7Demands3add", 4), ("6Search6extend", 10)];

#[test]
fn every_way_into_the_driver_fits_its_stack() {
    let program = program();
    program.takes_less_than("6notify12image_loaded", 8 << 10);
    program.takes_less_than("6driver4work", 16 << 10);
    // Requests and sections are weighed on a stack of their own (48 KiB, `STACK`): the kernel calls back what stands below `run`.
    program.takes_less_than("6filter14before_section", 8 << 10);
    program.takes_less_than("6device7control", 8 << 10);
    let expanded = program
        .functions
        .values()
        .filter(|one| one.name.contains("6kernel5stack3run"));
    let expanded: Vec<_> = expanded.map(|one| one.name.clone()).collect();
    assert_eq!(expanded.len(), 2, "{expanded:?}");
    for name in expanded {
        program.takes_less_than(&name, 24 << 10);
    }
}

/// A frame over a page needs a probe of the stack, and a kernel stack has six pages for everybody on it.
#[test]
fn no_stack_frame_reaches_a_page() {
    let program = program();
    assert!(
        program.functions.len() > 100,
        "{} functions",
        program.functions.len()
    );
    for function in program.functions.values() {
        assert!(
            function.frame < 0x1000,
            "{}: {} bytes",
            function.name,
            function.frame
        );
    }
}
