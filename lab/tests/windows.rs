//! The lab itself: a Windows that boots, keeps to itself, and loads our driver beside Wine's own.

use lab::Lab;
use lab::lab::KILLED;
use lab::services::DRIVERS;

#[test]
fn the_driver_loads_and_unloads_and_two_labs_do_not_disturb_each_other() {
    let driver = lab::build_driver().unwrap();
    let one = Lab::start().unwrap();
    let other = Lab::start().unwrap();
    let image = format!(r"{DRIVERS}\gatehouse.sys");

    one.put(&driver, &image).unwrap();
    one.create_service("gatehouse", &image).unwrap();
    let started = one.net_start("gatehouse").unwrap();
    assert!(started.success(), "{started:?}\n{:?}", one.debug_lines());
    assert!(one.is_running("gatehouse").unwrap());
    assert!(
        !other.is_running("gatehouse").unwrap(),
        "the other lab knows nothing of it"
    );

    let stopped = one.net_stop("gatehouse").unwrap();
    assert!(stopped.success(), "{stopped:?}");
    assert!(!one.is_running("gatehouse").unwrap());
}

#[test]
fn a_command_that_hangs_is_killed_and_the_lab_goes_on() {
    let lab = Lab::start().unwrap();
    lab.write(r"C:\forever.bat", b":again\r\n@goto again\r\n")
        .unwrap();
    let hung = lab.run_within(2, "cmd.exe", &["/c", r"C:\forever.bat"]).unwrap();
    assert_eq!(hung.code, KILLED, "{hung:?}");
    let next = lab.run("cmd.exe", &["/c", "exit", "7"]).unwrap();
    assert_eq!(next.code, 7, "{next:?}");
}

#[test]
fn nothing_of_a_run_outlives_it() {
    let lab = Lab::start().unwrap();
    let folder = lab.folder().to_owned();
    lab.write(r"C:\new folder\file.txt", b"text").unwrap();
    assert_eq!(lab.read(r"C:\NEW FOLDER\file.txt").unwrap(), b"text");
    assert!(
        lab.read(r"C:\windows\system32\ntoskrnl.exe")
            .unwrap()
            .starts_with(b"MZ")
    );
    drop(lab);
    assert!(!folder.exists());
    let mark = folder.display().to_string();
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(&mark), "no mount of the run is left");
}
