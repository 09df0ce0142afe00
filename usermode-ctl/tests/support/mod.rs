//! Images and policies that tests make for themselves.

use std::fmt::Write;

const HEADERS: usize = 0x200;
const SECTION: usize = 0x400;
const CHECKSUM: usize = 64 + 24 + 64;
const SECURITY_ENTRY: usize = 64 + 24 + 112 + 8 * 4;

/// A small native amd64 image with one section, whose content starts with `seed`.
pub fn driver_image(seed: u8) -> Vec<u8> {
    image(0x8664, 1, seed)
}

/// A small PE32+ image for a machine and a subsystem.
pub fn image(machine: u16, subsystem: u16, seed: u8) -> Vec<u8> {
    let mut bytes = vec![0; HEADERS + SECTION];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, b"MZ");
    put(0x3c, &64_u32.to_le_bytes());
    put(64, b"PE\0\0");
    put(68, &machine.to_le_bytes());
    put(70, &1_u16.to_le_bytes()); // sections
    put(84, &240_u16.to_le_bytes()); // size of the optional header
    put(86, &0x22_u16.to_le_bytes()); // executable, large address aware
    let optional = 88;
    put(optional, &0x20b_u16.to_le_bytes());
    put(optional + 4, &0x400_u32.to_le_bytes()); // size of code
    put(optional + 16, &0x1000_u32.to_le_bytes()); // entry point
    put(optional + 20, &0x1000_u32.to_le_bytes()); // base of code
    put(optional + 24, &0x1_4000_0000_u64.to_le_bytes());
    put(optional + 32, &0x1000_u32.to_le_bytes()); // section alignment
    put(optional + 36, &0x200_u32.to_le_bytes()); // file alignment
    put(optional + 40, &10_u16.to_le_bytes()); // operating system version
    put(optional + 48, &10_u16.to_le_bytes()); // subsystem version
    put(optional + 56, &0x2000_u32.to_le_bytes()); // size of the image
    put(optional + 60, &0x200_u32.to_le_bytes()); // size of the headers
    put(CHECKSUM, &0xdead_beef_u32.to_le_bytes());
    put(optional + 68, &subsystem.to_le_bytes());
    put(optional + 70, &0x160_u16.to_le_bytes()); // high-entropy VA, dynamic base, NX
    put(optional + 108, &16_u32.to_le_bytes()); // data directories
    let section = optional + 240;
    put(section, b".text\0\0\0");
    put(section + 8, &0x400_u32.to_le_bytes());
    put(section + 12, &0x1000_u32.to_le_bytes());
    put(section + 16, &0x400_u32.to_le_bytes());
    put(section + 20, &0x200_u32.to_le_bytes());
    put(section + 36, &0x6000_0020_u32.to_le_bytes());
    put(HEADERS, &[seed, 0xc3]);
    bytes
}

/// The Authenticode SHA-256 of an unsigned image made here, in hexadecimal: all of it but the checksum and the entry of
/// the certificate table. Source: Microsoft, "Windows Authenticode Portable Executable Signature Format".
pub fn authenticode_sha256(image: &[u8]) -> String {
    use sha2::Digest;
    let digest = sha2::Sha256::new()
        .chain_update(&image[..CHECKSUM])
        .chain_update(&image[CHECKSUM + 4..SECURITY_ENTRY])
        .chain_update(&image[SECURITY_ENTRY + 8..])
        .finalize();
    digest.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("memory");
        text
    })
}

/// An enforced base policy: each of these hashes with its rule, `true` for allow.
pub fn policy(rules: &[(&str, bool, &str)]) -> String {
    document("{9A6B1C02-5D0E-4F43-8E5D-3A1F6B7C8D90}", false, rules)
}

/// The same, in audit mode.
pub fn audit_policy(rules: &[(&str, bool, &str)]) -> String {
    document("{9A6B1C02-5D0E-4F43-8E5D-3A1F6B7C8D90}", true, rules)
}

fn document(id: &str, audit: bool, rules: &[(&str, bool, &str)]) -> String {
    let audit = if audit {
        "<Rule><Option>Enabled:Audit Mode</Option></Rule>"
    } else {
        ""
    };
    let mut file_rules = String::new();
    let mut references = String::new();
    for (rule, allow, hash) in rules {
        let kind = if *allow { "Allow" } else { "Deny" };
        writeln!(
            file_rules,
            "<{kind} ID=\"{rule}\" FriendlyName=\"rule {rule}\" Hash=\"{hash}\"/>"
        )
        .expect("memory");
        writeln!(references, "<FileRuleRef RuleID=\"{rule}\"/>").expect("memory");
    }
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<SiPolicy xmlns="urn:schemas-microsoft-com:sipolicy" PolicyType="Base Policy" FriendlyName="test policy">
<VersionEx>1.2.3.4</VersionEx>
<PlatformID>{{2E07F7E4-194C-4D20-B7C9-6F44A6C5A234}}</PlatformID>
<PolicyID>{id}</PolicyID>
<BasePolicyID>{id}</BasePolicyID>
<Rules>{audit}</Rules>
<EKUs/>
<FileRules>{file_rules}</FileRules>
<Signers/>
<SigningScenarios>
<SigningScenario Value="131" ID="ID_SIGNINGSCENARIO_DRIVERS" FriendlyName="Kernel Mode">
<ProductSigners><FileRulesRef>{references}</FileRulesRef></ProductSigners>
</SigningScenario>
</SigningScenarios>
<UpdatePolicySigners/>
<CiSigners/>
<HvciOptions>0</HvciOptions>
</SiPolicy>
"#
    )
}
