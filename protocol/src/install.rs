//! How the driver is registered: what installing writes into the registry.
//!
//! The controller's `install` writes this, and the package (`inf/gatehouse.inf`) says the same; `tests/tests/inf.rs` holds the two
//! against each other.

/// Name of the service for people.
pub const DISPLAY_NAME: &str = "Gatehouse driver load control";

/// What the service is for.
pub const DESCRIPTION: &str = "Weighs each kernel driver image that is loaded against App Control policies.";

/// `SERVICE_FILE_SYSTEM_DRIVER`: what minifilters are. Source: Microsoft, "Creating an INF file for a minifilter driver".
pub const SERVICE_TYPE: u32 = 2;

/// The altitude at which the filter manager puts the driver: where it stands among other minifilters.
///
/// In the range of FSFilter Activity Monitor, 360000 to 389999. Every product needs one of its own, which Microsoft assigns on
/// request; until that has happened this one is for machines on which no other filter has it. Source: Microsoft, "Load order groups
/// and altitudes for minifilter drivers", "Minifilter altitude request".
pub const ALTITUDE: &str = "385210.7";

/// Load order group of minifilters at that altitude.
pub const LOAD_ORDER_GROUP: &str = "FSFilter Activity Monitor";

/// The service that must be running first: without it the driver cannot be a minifilter.
pub const DEPENDENCY: &str = "FltMgr";

/// Keys below that of the service under which the instance is registered. Windows 11 24H2 and later read the first, older ones the
/// second. Source: Microsoft, "Creating an INF file for a minifilter driver".
pub const INSTANCE_KEYS: [&str; 2] = [r"Parameters\Instances", "Instances"];

/// The one instance.
pub const INSTANCE: &str = "Gatehouse Instance";

/// A value below the key of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    /// The key, below that of the service; empty for that itself.
    pub key: &'static str,
    /// Name of the value.
    pub name: &'static str,
    /// What it holds.
    pub data: Data,
}

/// What a value holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// `REG_SZ`.
    Text(&'static str),
    /// `REG_DWORD`.
    Number(u32),
}

/// What the filter need not see: offloaded reads (1) and writes (2), queries on open (4), reads that bypass filters (8). Without
/// saying so, the filter manager would switch them off on every volume. Source: Microsoft, "ODX support in minifilters", "BypassIO
/// for filter drivers".
pub const SUPPORTED_FEATURES: u32 = 0xf;

/// The values that register the instance. Its flags are none: it is attached by the system and on request.
pub const VALUES: [Value; 8] = [
    number("Parameters", "SupportedFeatures", SUPPORTED_FEATURES),
    number("", "SupportedFeatures", SUPPORTED_FEATURES),
    text(r"Parameters\Instances", "DefaultInstance", INSTANCE),
    text(r"Parameters\Instances\Gatehouse Instance", "Altitude", ALTITUDE),
    number(r"Parameters\Instances\Gatehouse Instance", "Flags", 0),
    text("Instances", "DefaultInstance", INSTANCE),
    text(r"Instances\Gatehouse Instance", "Altitude", ALTITUDE),
    number(r"Instances\Gatehouse Instance", "Flags", 0),
];

const fn text(key: &'static str, name: &'static str, text: &'static str) -> Value {
    Value {
        key,
        name,
        data: Data::Text(text),
    }
}

const fn number(key: &'static str, name: &'static str, number: u32) -> Value {
    Value {
        key,
        name,
        data: Data::Number(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::format;

    #[test]
    fn the_instance_is_registered_under_each_key() {
        for key in INSTANCE_KEYS {
            let has = |key: &str, name: &str, data: Data| {
                VALUES
                    .iter()
                    .any(|value| value.key == key && value.name == name && value.data == data)
            };
            assert!(has(key, "DefaultInstance", Data::Text(INSTANCE)));
            let instance = format!(r"{key}\{INSTANCE}");
            assert!(has(&instance, "Altitude", Data::Text(ALTITUDE)));
            assert!(has(&instance, "Flags", Data::Number(0)));
        }
        let altitude: f64 = ALTITUDE.parse().expect("a number");
        assert!((360_000.0..390_000.0).contains(&altitude), "{LOAD_ORDER_GROUP}");
    }
}
