//! The names of policy options.

/// An option: its name in the schema, its number in `Set-RuleOption` if it has one, and its bit in the binary form.
#[derive(Clone, Copy, Debug)]
pub struct OptionName {
    /// The schema's name.
    pub name: &'static str,
    /// The number that administrators' tools use.
    pub number: Option<u8>,
    /// The bit in the binary form's flags.
    pub bit: u32,
}

const fn option(name: &'static str, number: u8, bit: u32) -> OptionName {
    OptionName {
        name,
        number: Some(number),
        bit,
    }
}

const fn unnumbered(name: &'static str, bit: u32) -> OptionName {
    OptionName {
        name,
        number: None,
        bit,
    }
}

/// Every option with a bit, in the order of the bits.
pub const OPTIONS: [OptionName; 23] = [
    option("Enabled:UMCI", 0, 2),
    option("Enabled:Boot Menu Protection", 1, 3),
    option("Enabled:Intelligent Security Graph Authorization", 14, 4),
    option("Enabled:Invalidate EAs on Reboot", 15, 5),
    option("Required:WHQL", 2, 7),
    unnumbered("Enabled:Developer Mode Dynamic Code Trust", 8),
    option("Enabled:Allow Supplemental Policies", 17, 10),
    option("Disabled:Runtime FilePath Rule Protection", 18, 11),
    option("Enabled:Revoked Expired As Unsigned", 20, 13),
    option("Enabled:Audit Mode", 3, 16),
    option("Disabled:Flight Signing", 4, 17),
    option("Enabled:Inherit Default Policy", 5, 18),
    option("Enabled:Unsigned System Integrity Policy", 6, 19),
    option("Enabled:Dynamic Code Security", 19, 20),
    option("Required:EV Signers", 8, 21),
    option("Enabled:Boot Audit On Failure", 10, 22),
    option("Enabled:Advanced Boot Options Menu", 9, 23),
    option("Disabled:Script Enforcement", 11, 24),
    option("Required:Enforce Store Applications", 12, 25),
    unnumbered("Enabled:Secure Setting Policy", 26),
    option("Enabled:Managed Installer", 13, 27),
    option("Enabled:Update Policy No Reboot", 16, 28),
    unnumbered("Enabled:Conditional Windows Lockdown Policy", 29),
];

/// The option that the binary form keeps as a secure setting rather than as a bit.
pub const CERTIFICATE_REMAPPING: &str = "Disabled:Default Windows Certificate Remapping";

/// The options without a bit.
pub const OTHER_OPTIONS: [&str; 1] = [CERTIFICATE_REMAPPING];
