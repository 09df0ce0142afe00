//! The import libraries promise no more than every Windows 10 and the lab's Wine keep.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use lab::command;
use lab::host;
use lab::repository;
use lab::wine_root;

/// Names that Windows exports although mingw-w64's list, made from an older Windows, has them not: ExAllocatePool2 came with
/// Windows 10 2004, and the list leaves __chkstk to the compiler's own library.
const NEWER_THAN_THE_LIST: [&str; 2] = ["ExAllocatePool2", "__chkstk"];

/// The names in one of the lab's lists.
fn listed(list: &str) -> Vec<String> {
    let path = repository::lab().join("wdk-root/lib").join(list);
    let text = fs::read_to_string(path).unwrap();
    let names = text.lines().filter_map(|line| line.strip_prefix("    "));
    names
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect()
}

/// Every symbol name in an image or library.
fn symbols(file: &Path) -> BTreeSet<String> {
    let said = command::output(command::clean("llvm-nm").arg("--format=just-symbols").arg(file)).unwrap();
    said.lines().map(|line| line.trim().to_owned()).collect()
}

fn wine_module(name: &str) -> std::path::PathBuf {
    wine_root::prepare()
        .unwrap()
        .join(wine_root::BUILTIN.trim_start_matches('/'))
        .join(name)
}

#[test]
fn wine_implements_every_kernel_function_that_the_driver_may_import() {
    host::require(&host::DRIVER_BUILD).unwrap();
    for (list, module) in [("ntoskrnl.def", "ntoskrnl.exe"), ("hal.def", "hal.dll")] {
        let image = wine_module(module);
        let bytes = fs::read(&image).unwrap();
        let file = object::read::pe::PeFile64::parse(&*bytes).unwrap();
        let table = file.export_table().unwrap().unwrap();
        let exported: BTreeSet<String> = table
            .exports()
            .unwrap()
            .iter()
            .filter_map(|export| export.name.map(|name| String::from_utf8_lossy(name).into_owned()))
            .collect();
        // Wine names what it exports but does not implement.
        let symbols = symbols(&image);
        for name in listed(list) {
            assert!(
                exported.contains(&name),
                "{module} of Wine does not export {name}"
            );
            assert!(
                !symbols.contains(&format!("__wine_stub_{name}")),
                "{name} is a stub in Wine's {module}"
            );
        }
    }
}

#[test]
fn an_x64_windows_older_than_10_exports_them_too() {
    host::require(&host::DRIVER_BUILD).unwrap();
    for (list, library) in [
        ("ntoskrnl.def", "libntoskrnl.a"),
        ("hal.def", "libhal.a"),
        ("wmilib.def", "libwmilib.a"),
    ] {
        let symbols = symbols(&Path::new("/usr/x86_64-w64-mingw32/lib").join(library));
        for name in listed(list) {
            let known = symbols.contains(&format!("__imp_{name}"));
            assert!(
                known || NEWER_THAN_THE_LIST.contains(&name.as_str()),
                "{name} of {list} is in no x64 Windows that mingw-w64 knows"
            );
        }
    }
}
