//! Facts on systems that are no Windows: none.

use std::time::Duration;

use protocol::message::Status;

use crate::doctor::Facts;
use crate::doctor::Known;

/// What can be known here of a Windows: nothing but what a driver at hand says of itself.
pub fn gather(driver: Known<Status>, policy_age: Known<Duration>) -> Facts {
    fn unknown<T>() -> Known<T> {
        Err("only Windows can tell".to_owned())
    }
    Facts {
        code_integrity: unknown(),
        secure_boot: unknown(),
        safe_mode: unknown(),
        filter_manager: unknown(),
        service: unknown(),
        instance: unknown(),
        driver,
        policy_age,
        evaluation: unknown(),
        driver_policy: unknown(),
        blocklist_off: unknown(),
    }
}
