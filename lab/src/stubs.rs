//! Stand-ins for kernel modules that Wine lacks.
//!
//! A driver is loaded only when every module it imports exists. For those that do not, this makes one whose functions all answer
//! STATUS_NOT_SUPPORTED: the driver is loaded, weighed, and then refused by its own entry point, which is all a run needs.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use object::LittleEndian as LE;
use object::pe::ImageNtHeaders64;
use object::read::pe::PeFile64;

use crate::cache;
use crate::cache::Key;
use crate::command;
use crate::host;

/// STATUS_NOT_SUPPORTED, the answer of every function in a stand-in.
const ANSWER: u32 = 0xC000_00BB;

/// The modules that `drivers` import and `exists` does not know, made in the cache; their files are named as the modules.
pub fn for_drivers(drivers: &[&Path], exists: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let mut missing: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for driver in drivers {
        let bytes = fs::read(driver).with_context(|| format!("cannot read {}", driver.display()))?;
        for (module, symbol) in
            imports(&bytes).with_context(|| format!("cannot read {}", driver.display()))?
        {
            let module = module.to_ascii_lowercase();
            if !exists(&module) {
                missing.entry(module).or_default().insert(symbol);
            }
        }
    }
    missing
        .iter()
        .map(|(module, symbols)| make(module, symbols))
        .collect()
}

/// Every import by name of a PE32+ image: module and symbol, as they are written in it.
pub fn imports(image: &[u8]) -> Result<Vec<(String, String)>> {
    let file = PeFile64::parse(image)?;
    let mut found = Vec::new();
    let Some(table) = file.import_table()? else {
        return Ok(found);
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut descriptors = table.descriptors()?;
    while let Some(descriptor) = descriptors.next()? {
        let module = text(table.name(descriptor.name.get(LE))?);
        let mut thunks = table.thunks(descriptor.original_first_thunk.get(LE))?;
        while let Some(thunk) = thunks.next::<ImageNtHeaders64>()? {
            use object::read::pe::ImageThunkData;
            if !thunk.is_ordinal() {
                found.push((module.clone(), text(table.hint_name(thunk.address())?.1)));
            }
        }
    }
    Ok(found)
}

fn make(module: &str, symbols: &BTreeSet<String>) -> Result<PathBuf> {
    host::require(&host::DRIVER_BUILD)?;
    let mut source = String::new();
    for symbol in symbols {
        writeln!(
            source,
            "__declspec(dllexport) unsigned {symbol}(void) {{ return {ANSWER:#x}u; }}"
        )?;
    }
    let key = Key::default().with(module).with(&source);
    let folder = cache::entry("stub", &key, |folder| {
        let written = folder.join("stub.c");
        let object = folder.join("stub.o");
        fs::write(&written, &source)?;
        let mut compile = command::clean("clang");
        compile
            .args(["--target=x86_64-pc-windows-msvc", "-O1", "-c"])
            .arg(&written)
            .arg("-o")
            .arg(&object);
        command::output(&mut compile)?;
        let mut link = command::clean("lld-link");
        link.args([
            "/dll",
            "/noentry",
            "/nodefaultlib",
            "/subsystem:native",
            "/brepro",
        ]);
        link.arg(format!("/out:{}", folder.join(module).display()))
            .arg(&object);
        command::output(&mut link)?;
        Ok(())
    })?;
    Ok(folder.join(module))
}
