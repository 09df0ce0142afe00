//! Types of fields.

/// A type, and how it is shown where the manifest does not say: `inType` and the default `outType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InType {
    /// The name.
    pub name: &'static str,
    /// Its number.
    pub input: u8,
    /// The number of the default `outType`.
    pub output: u8,
}

/// All that there are.
pub const IN_TYPES: [InType; 21] = [
    of("win:UnicodeString", 0x01, 0x01),
    of("win:AnsiString", 0x02, 0x01),
    of("win:Int8", 0x03, 0x03),
    of("win:UInt8", 0x04, 0x04),
    of("win:Int16", 0x05, 0x05),
    of("win:UInt16", 0x06, 0x06),
    of("win:Int32", 0x07, 0x07),
    of("win:UInt32", 0x08, 0x08),
    of("win:Int64", 0x09, 0x09),
    of("win:UInt64", 0x0a, 0x0a),
    of("win:Float", 0x0b, 0x0b),
    of("win:Double", 0x0c, 0x0c),
    of("win:Boolean", 0x0d, 0x0d),
    of("win:Binary", 0x0e, 0x0f),
    of("win:GUID", 0x0f, 0x0e),
    of("win:Pointer", 0x10, 0x13),
    of("win:FILETIME", 0x11, 0x02),
    of("win:SYSTEMTIME", 0x12, 0x02),
    of("win:SID", 0x13, 0x01),
    of("win:HexInt32", 0x14, 0x12),
    of("win:HexInt64", 0x15, 0x13),
];

const fn of(name: &'static str, input: u8, output: u8) -> InType {
    InType { name, input, output }
}

impl InType {
    /// Whether a field of this type can have a length of its own.
    pub fn has_length(self) -> bool {
        matches!(self.name, "win:UnicodeString" | "win:AnsiString" | "win:Binary")
    }

    /// Whether a field of this type can say how long another is.
    pub fn counts(self) -> bool {
        matches!(self.name, "win:UInt8" | "win:UInt16" | "win:UInt32")
    }
}
