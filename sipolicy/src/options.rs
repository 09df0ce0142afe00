//! The names of policy options.

use policy::Options;

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

/// Options that only ever take away from what a policy's own rules allow: `Required:WHQL`, `Enabled:Revoked Expired As Unsigned`,
/// `Disabled:Flight Signing`, `Required:EV Signers` and `Required:Enforce Store Applications`.
pub(crate) const RESTRICTING: u32 = 1 << 7 | 1 << 13 | 1 << 17 | 1 << 21 | 1 << 25;

/// The names of the options that are set; a bit that the schema has no name for is called by its number.
pub(crate) fn option_names(options: Options) -> impl Iterator<Item = String> {
    let named = OPTIONS
        .iter()
        .filter(move |option| options.0 & 1 << option.bit != 0)
        .map(|option| option.name.to_owned());
    named.chain(unnamed_bits(options).map(|bit| format!("bit {bit} (which has no name)")))
}

/// The bits of options that are set and that the schema has no name for. XML cannot hold them.
pub(crate) fn unnamed_bits(options: Options) -> impl Iterator<Item = u32> {
    let named = OPTIONS.iter().fold(0, |bits, option| bits | 1 << option.bit);
    (0..u32::BITS).filter(move |bit| options.0 & !named & 1 << bit != 0)
}
/// The options without a bit.
pub const OTHER_OPTIONS: [&str; 1] = [CERTIFICATE_REMAPPING];
