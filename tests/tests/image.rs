//! The gatehouse.sys that was built: what Windows, memory integrity and our own promises ask of it, read off the file.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use gatehouse_tests::compiled_manifest::Compiled;
use gatehouse_tests::event_manifest::attribute;
use gatehouse_tests::event_manifest::fields;
use gatehouse_tests::event_manifest::manifest;
use gatehouse_tests::event_manifest::message;
use gatehouse_tests::event_manifest::named;
use gatehouse_tests::event_manifest::strings;
use gatehouse_tests::signed_images::gatehouse;
use gatehouse_tests::signed_images::script;
use lab::command;
use object::LittleEndian as LE;
use object::pe;
use object::read::pe::ImageNtHeaders;
use object::read::pe::ImageOptionalHeader;
use object::read::pe::ImageThunkData;
use object::read::pe::PeFile64;
use protocol::etw;
use roxmltree::Document;
use serde_json::Value;
use serde_json::json;

/// Largest image, in bytes. Weighing by hash alone took 117,248; proving signatures is the rest.
const MAX_SIZE: usize = 512 * 1024;

fn built() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let path = lab::build_driver().expect("the driver builds");
        fs::read(path).expect("the built driver can be read")
    })
}

fn image() -> PeFile64<'static> {
    PeFile64::parse(built()).expect("a PE32+ image")
}

fn imports() -> BTreeSet<(String, String)> {
    let image = image();
    let table = image.import_table().expect("readable").expect("an import table");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("ASCII");
    let mut found = BTreeSet::new();
    let mut descriptors = table.descriptors().expect("descriptors");
    while let Some(descriptor) = descriptors.next().expect("a descriptor") {
        let module = text(table.name(descriptor.name.get(LE)).expect("a module name"));
        let mut thunks = table
            .thunks(descriptor.original_first_thunk.get(LE))
            .expect("thunks");
        while let Some(thunk) = thunks.next::<pe::ImageNtHeaders64>().expect("a thunk") {
            assert!(!thunk.is_ordinal(), "{module}: imports are by name");
            let (_, name) = table.hint_name(thunk.address()).expect("a name");
            found.insert((module.clone(), text(name)));
        }
    }
    found
}

#[test]
fn it_imports_just_what_the_list_gives_reasons_for() {
    let list = fs::read_to_string(lab::repository::root().join("driver/imports.txt")).expect("the list");
    let mut reasons = BTreeMap::new();
    for line in list
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert!(words.len() > 2, "module, symbol and a reason: {line}");
        let entry = (words[0].to_owned(), words[1].to_owned());
        assert!(
            reasons.insert(entry, words[2..].join(" ")).is_none(),
            "listed twice: {line}"
        );
    }
    let imports = imports();
    let unlisted: Vec<_> = imports
        .iter()
        .filter(|import| !reasons.contains_key(import))
        .collect();
    assert!(
        unlisted.is_empty(),
        "imported without a reason in driver/imports.txt: {unlisted:?}"
    );
    let unused: Vec<_> = reasons.keys().filter(|entry| !imports.contains(entry)).collect();
    assert!(
        unused.is_empty(),
        "in driver/imports.txt and no longer imported: {unused:?}"
    );
}

/// The linker's proof: with no panic reachable, the panic handler is dropped, and with it the one import it needs.
#[test]
fn no_panic_can_be_reached() {
    assert!(imports().iter().all(|(_, symbol)| symbol != "KeBugCheckEx"));
}

#[test]
fn it_is_the_kind_of_image_that_a_hardened_kernel_loads() {
    let image = image();
    let headers = image.nt_headers();
    let optional = headers.optional_header();
    assert_eq!(
        headers.file_header().machine.get(LE),
        pe::IMAGE_FILE_MACHINE_AMD64
    );
    assert_eq!(optional.subsystem(), pe::IMAGE_SUBSYSTEM_NATIVE);
    assert_eq!(optional.section_alignment(), 0x1000);
    assert_ne!(optional.check_sum(), 0);
    assert_ne!(optional.address_of_entry_point(), 0);
    let flags = optional.dll_characteristics();
    for (flag, name) in [
        (pe::IMAGE_DLLCHARACTERISTICS_NX_COMPAT, "NX"),
        (pe::IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE, "dynamic base"),
        (pe::IMAGE_DLLCHARACTERISTICS_FORCE_INTEGRITY, "integrity check"),
        (
            pe::IMAGE_DLLCHARACTERISTICS_HIGH_ENTROPY_VA,
            "high-entropy addresses",
        ),
    ] {
        assert!(flags.contains(flag), "{name}");
    }
    let file_flags = headers.file_header().characteristics.get(LE);
    assert!(!file_flags.contains(pe::IMAGE_FILE_RELOCS_STRIPPED));
    let relocations = image
        .data_directories()
        .get(pe::IMAGE_DIRECTORY_ENTRY_BASERELOC)
        .expect("relocations");
    assert_ne!(relocations.size.get(LE), 0, "base relocations");
}

/// A reproducible build leaves one entry that says so; a CodeView entry would name the path of a symbol file.
#[test]
fn its_debug_directory_names_no_file() {
    const ENTRY: usize = size_of::<pe::ImageDebugDirectory>();
    let image = image();
    let Some(directory) = image.data_directories().get(pe::IMAGE_DIRECTORY_ENTRY_DEBUG) else {
        return;
    };
    let sections = image.section_table();
    let entries = directory.data(built(), &sections).expect("inside a section");
    for entry in entries.chunks_exact(ENTRY) {
        let kind = u32::from_le_bytes(entry[12..16].try_into().expect("four bytes"));
        assert_eq!(kind, pe::IMAGE_DEBUG_TYPE_REPRO.0);
    }
}

#[test]
fn the_checksum_is_the_files_own() {
    let mut again = built().to_vec();
    lab::image::set_checksum(&mut again).expect("an image");
    assert_eq!(again, built());
}

#[test]
fn no_section_is_writable_and_executable_or_out_of_the_ordinary() {
    let image = image();
    for section in image.section_table().iter() {
        let name = String::from_utf8_lossy(section.raw_name()).into_owned();
        let flags = section.characteristics.get(LE);
        let write_and_execute = pe::IMAGE_SCN_MEM_WRITE | pe::IMAGE_SCN_MEM_EXECUTE;
        assert!(
            !flags.contains(write_and_execute),
            "{name} is writable and executable"
        );
        assert!(flags.contains(pe::IMAGE_SCN_MEM_READ), "{name} has flags");
        assert!(!flags.contains(pe::IMAGE_SCN_MEM_SHARED), "{name} is shared");
        assert!(
            !name.contains("retplne"),
            "lld's retpoline section has no flags and stops the load"
        );
    }
}

#[test]
fn it_is_small() {
    assert!(built().len() <= MAX_SIZE, "{} bytes", built().len());
}

/// Whether `bytes` holds this text, as ASCII or as UTF-16.
fn holds(bytes: &[u8], text: &str) -> bool {
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
        || bytes.windows(wide.len()).any(|window| window == wide)
}

#[test]
fn it_names_no_path_of_the_building_machine() {
    let checkout = lab::repository::root();
    let home = std::env::var("HOME").unwrap_or_default();
    let mut forbidden = vec![
        checkout.display().to_string(),
        ".cargo/registry".into(),
        "/rustc/".into(),
    ];
    forbidden.extend(["/usr/", "/home/", "/root/", "/tmp/", "/var/"].map(String::from));
    forbidden.extend((home.len() > 1).then_some(home));
    for path in forbidden {
        assert!(!holds(built(), &path), "the image holds {path}");
    }
}

/// What other people's readers find in it.
fn resources() -> Value {
    let path = lab::build_driver().expect("the driver builds");
    let mut run = script("resources.py").expect("the other readers");
    let said = command::output(run.arg(path)).expect("they read it");
    serde_json::from_str(&said).expect("JSON")
}

/// Numbers of a type of the manifest's, and of how it is shown: "EventManifest Schema", `inType` and its default `outType`.
const TYPES: [(&str, u8, u8); 7] = [
    ("win:UnicodeString", 1, 1),
    ("win:UInt16", 6, 6),
    ("win:UInt32", 8, 8),
    ("win:UInt64", 10, 10),
    ("win:Binary", 14, 15),
    ("win:GUID", 15, 14),
    ("win:FILETIME", 17, 2),
];
const HEX_INT_32: (u8, u8) = (20, 18);

#[test]
fn others_read_the_events_of_the_manifest_in_it() {
    let found = resources();
    assert_eq!(
        found["resources"],
        json!([["WEVT_TEMPLATE", 1, 1033], [11, 1, 1033], [16, 1, 1033]])
    );
    let text = manifest();
    let document = Document::parse(&text).expect("well-formed");
    let strings = strings(&document);
    let events = named(&document, "event");
    let mut guids = BTreeSet::new();
    for reader in ["fwevt", "evtx"] {
        let provider = &found[reader];
        assert_eq!(
            provider["guid"],
            etw::PROVIDER_GUID.trim_matches(['{', '}']),
            "{reader}"
        );
        let told = provider["events"].as_array().expect("events");
        assert_eq!(told.len(), events.len(), "{reader}");
        for (node, event) in events.iter().zip(told) {
            let [id, version] = ["value", "version"].map(|name| attribute(*node, name));
            assert_eq!([event[0].to_string(), event[1].to_string()], [id, version]);
            let message = message(*node, &strings);
            assert_eq!(
                found["messages"][event[2].to_string()],
                format!("{message}\r\n"),
                "{reader}: event {id}"
            );
            let template = &provider["templates"][event[3].to_string()];
            let declared = fields(&document, attribute(*node, "template"));
            let place = |wanted: &str| declared.iter().position(|(name, ..)| *name == wanted);
            let expected: Vec<Value> = declared
                .iter()
                .map(|(name, kind, length)| {
                    let known = TYPES.iter().find(|(known, ..)| known == kind);
                    let (input, output) = known.map_or(HEX_INT_32, |(_, input, output)| (*input, *output));
                    let length = length.map_or(0, |field| place(field).expect("a field"));
                    json!([name, input, output, 0, length])
                })
                .collect();
            assert_eq!(template["fields"], json!(expected), "{reader}: event {id}");
            guids.insert(template["guid"].to_string());
            if reader == "evtx" {
                let lines = declared.iter().enumerate();
                let lines = lines
                    .map(|(index, (name, ..))| format!("  <Data Name=\"{name}\">{{sub:{index}}}</Data>\n"));
                let shown = format!("<EventData>\n{}</EventData>\n", lines.collect::<String>());
                let xml = template["xml"].as_str().expect("XML");
                assert!(xml.ends_with(&shown), "{xml}");
            }
        }
    }
    assert_eq!(guids.len(), 3, "each template has a GUID of its own: {guids:?}");
    let provider = &found["fwevt"];
    assert_eq!(provider["channels"], json!([[0, etw::CHANNEL_NAME]]));
    // Tasks, keywords, levels, opcodes, maps and templates.
    assert_eq!(provider["counts"], json!([2, 3, 3, 0, 0, 3]));
    let messages = found["messages"].as_object().expect("messages");
    assert_eq!(messages.len(), strings.len() + 3, "and those of the levels");
    for (number, name) in [
        (0x5000_0002, "Error"),
        (0x5000_0003, "Warning"),
        (0x5000_0004, "Information"),
    ] {
        assert_eq!(messages[&number.to_string()], format!("{name}\r\n"));
    }
}

/// What the driver writes is what the compiled manifest tells of, to the bit.
#[test]
fn the_compiled_events_have_the_descriptors_that_the_driver_writes() {
    let places: Vec<usize> = Compiled(built()).events().collect();
    assert_eq!(places.len(), etw::EVENTS.len());
    let compiled: BTreeSet<&[u8]> = places
        .into_iter()
        .map(|place| &built()[place..place + 16])
        .collect();
    let written: Vec<[u8; 16]> = etw::EVENTS.iter().map(etw::Event::descriptor).collect();
    assert_eq!(compiled, written.iter().map(<[u8; 16]>::as_slice).collect());
}

#[test]
fn others_and_we_read_its_version() {
    let found = resources();
    let version = concat!(env!("CARGO_PKG_VERSION"), ".0");
    let read = &found["version"];
    let numbers: Vec<String> = version.split('.').map(str::to_owned).collect();
    let told = read["numbers"].as_array().expect("numbers");
    assert_eq!(told.iter().map(Value::to_string).collect::<Vec<_>>(), numbers);
    // VFT_DRV, English (United States) in UTF-16.
    assert_eq!(
        (&read["type"], &read["translations"]),
        (&json!(3), &json!([0x04b0_0409]))
    );
    let strings = &read["strings"]["040904b0"];
    for (name, expected) in [
        ("CompanyName", "The Gatehouse project"),
        ("FileDescription", "Gatehouse driver load control"),
        ("FileVersion", version),
        ("InternalName", "gatehouse"),
        ("LegalCopyright", "The Gatehouse project. MIT OR Apache-2.0."),
        ("OriginalFilename", "gatehouse.sys"),
        ("ProductName", "Gatehouse"),
        ("ProductVersion", version),
    ] {
        assert_eq!(strings[name], expected, "{name}");
    }
    let mut scan = command::clean(&gatehouse().expect("the command builds").display().to_string());
    let path = lab::build_driver().expect("the driver builds");
    let record = command::output(scan.args(["--json", "scan"]).arg(path)).expect("it is scanned");
    let record: Value = serde_json::from_str(&record).expect("JSON");
    assert_eq!(record["version"]["file_version"], version);
    assert_eq!(record["version"]["original_filename"], "gatehouse.sys");
}

/// A copy of the tracked files in another folder, and the driver built there.
#[test]
fn another_folder_builds_the_same_bytes() {
    let here = lab::repository::root();
    let there = here.join("target/elsewhere/a folder of another name");
    fs::create_dir_all(&there).expect("a folder");
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(&here)
        .output()
        .expect("git lists the checkout");
    assert!(listed.status.success(), "git lists the checkout");
    for name in listed
        .stdout
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        let name = Path::new(std::str::from_utf8(name).expect("a name"));
        copy_if_different(&here.join(name), &there.join(name));
    }
    let output = Command::new("cargo")
        .args(["run", "--quiet", "--package", "gatehouse-lab", "--", "build"])
        .current_dir(&there)
        .env_remove("CARGO_MANIFEST_DIR")
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let path = String::from_utf8(output.stdout).expect("a path");
    assert!(
        path.trim().starts_with(there.to_str().expect("a path")),
        "built there: {path}"
    );
    let other = fs::read(path.trim()).expect("the other driver");
    assert!(
        other == built(),
        "the driver built in {} differs",
        there.display()
    );
}

/// Copies a file, but leaves an equal one alone so that its times do not make cargo build again.
fn copy_if_different(from: &Path, to: &Path) {
    // A tracked file that was deleted and not committed yet.
    let Ok(bytes) = fs::read(from) else { return };
    if fs::read(to).is_ok_and(|there| there == bytes) {
        return;
    }
    fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
    fs::copy(from, to).expect("a copy");
}
