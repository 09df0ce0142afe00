//! Generated policies, and their XML.

use super::Random;
use std::fmt::Write as _;

/// Object identifiers: id, and the value as policies write it.
pub const EKUS: [(&str, &[u8]); 3] = [
    ("ID_EKU_WHQL", &[1, 10, 0x2b, 6, 1, 4, 1, 0x82, 0x37, 0x0a, 3, 5]),
    (
        "ID_EKU_WINDOWS",
        &[1, 10, 0x2b, 6, 1, 4, 1, 0x82, 0x37, 0x0a, 3, 6],
    ),
    ("ID_EKU_CODE", &[1, 8, 0x2b, 6, 1, 5, 5, 7, 3, 3]),
];

/// The sixth is what the fifth becomes in upper case where a letter may become two; to Windows it is another name.
pub const NAMES: [&str; 6] = [
    "a.sys",
    "B.SYS",
    "str\u{e4}nge.sys",
    "d",
    "stra\u{df}e\u{3c2}.sys",
    "STRASSE\u{3a3}.SYS",
];
pub const PUBLISHERS: [&str; 3] = ["Vendor A", "vendor b", "\u{5382}\u{5546} C"];
pub const WELLKNOWN: [u8; 5] = [0, 5, 6, 8, 0x0e];
pub const SIGNING_TIMES: [i64; 3] = [1_000_000_000, 1_400_000_000, 1_700_000_000];

/// The edges that versions are compared at.
pub const VERSIONS: [u64; 6] = [0, 1 << 48, (1 << 48) + 1, 2 << 48, 3 << 48 | 7 << 16, u64::MAX];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Allow,
    Deny,
    Attribute,
}

#[derive(Clone, Debug)]
pub struct Rule {
    pub id: String,
    pub kind: Kind,
    pub hash: Option<Vec<u8>>,
    pub names: [Option<&'static str>; 4],
    pub min: Option<u64>,
    pub max: Option<u64>,
    pub path: bool,
}

#[derive(Clone, Debug)]
pub enum Root {
    Tbs(Vec<u8>),
    Wellknown(u8),
}

#[derive(Clone, Debug)]
pub struct Signer {
    pub id: String,
    pub root: Root,
    pub publisher: Option<&'static str>,
    pub issuer: Option<&'static str>,
    pub oem: Option<&'static str>,
    pub ekus: Vec<usize>,
    pub except_ekus: Vec<usize>,
    /// Seconds since 1970.
    pub signed_after: Option<i64>,
    pub attributes: Vec<usize>,
}

#[derive(Clone, Debug)]
pub struct Use {
    pub deny: bool,
    pub signer: usize,
    pub exceptions: Vec<usize>,
}

#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a policy option of its own")]
pub struct Policy {
    pub number: usize,
    /// Place in the compiled set: bases first.
    pub order: usize,
    pub extends: Option<usize>,
    pub audit: bool,
    pub allows_supplementals: bool,
    pub requires_whql: bool,
    pub flight_disabled: bool,
    pub minimum: Option<u16>,
    pub rules: Vec<Rule>,
    pub direct: Vec<usize>,
    pub signers: Vec<Signer>,
    pub uses: Vec<Use>,
}

/// Hashes of a small world, so that rules and files meet; some share their first bytes.
pub fn hash(random: &mut Random, length: usize) -> Vec<u8> {
    let mut hash = vec![u8::try_from(random.below(4)).unwrap() * 0x55; length];
    hash[length - 1] = u8::from(random.percent(30));
    hash
}

pub fn tbs(random: &mut Random) -> Vec<u8> {
    let length = *random.pick(&[20, 32, 32, 48]);
    hash(random, length)
}

fn generate_rule(random: &mut Random, policy: usize, number: usize, kind: Kind) -> Rule {
    let prefix = match kind {
        Kind::Allow => "ALLOW",
        Kind::Deny => "DENY",
        Kind::Attribute => "FILEATTRIB",
    };
    let mut rule = Rule {
        id: format!("ID_{prefix}_P{policy}_R{number}"),
        kind,
        hash: None,
        names: [None; 4],
        min: None,
        max: None,
        path: false,
    };
    if random.percent(if kind == Kind::Attribute { 10 } else { 45 }) {
        let length = *random.pick(&[20, 32, 32, 48, 64]);
        rule.hash = Some(hash(random, length));
        return rule;
    }
    if random.percent(5) {
        rule.path = true;
        return rule;
    }
    for name in &mut rule.names {
        if random.percent(35) {
            *name = Some(if random.percent(15) {
                "*"
            } else {
                random.pick::<&str>(&NAMES)
            });
        }
    }
    if rule.names.iter().all(Option::is_none) {
        rule.names[0] = Some("*");
    }
    if random.percent(40) {
        rule.min = Some(*random.pick(&VERSIONS));
    }
    if random.percent(40) {
        rule.max = Some(*random.pick(&VERSIONS));
    }
    if let (Some(min), Some(max)) = (rule.min, rule.max)
        && min > max
        && max != 0
    {
        (rule.min, rule.max) = (Some(max), Some(min));
    }
    rule
}

fn some<T: Copy>(random: &mut Random, chance: usize, from: &[T]) -> Option<T> {
    random.percent(chance).then(|| *random.pick(from))
}

fn indexes(random: &mut Random, chance: usize, most: usize, below: usize) -> Vec<usize> {
    if below == 0 || !random.percent(chance) {
        return Vec::new();
    }
    (0..=random.below(most)).map(|_| random.below(below)).collect()
}

fn generate_signer(random: &mut Random, policy: usize, number: usize, attributes: &[usize]) -> Signer {
    let root = if random.percent(65) {
        Root::Tbs(tbs(random))
    } else {
        Root::Wellknown(*random.pick(&WELLKNOWN))
    };
    Signer {
        id: format!("ID_SIGNER_P{policy}_S{number}"),
        root,
        publisher: some(random, 35, &PUBLISHERS),
        issuer: some(random, 12, &PUBLISHERS),
        oem: some(random, 25, &PUBLISHERS),
        ekus: indexes(random, 40, 2, EKUS.len()),
        except_ekus: indexes(random, 8, 1, EKUS.len()),
        signed_after: some(random, 12, &SIGNING_TIMES),
        attributes: indexes(random, 40, 4, attributes.len())
            .into_iter()
            .map(|at| attributes[at])
            .collect(),
    }
}

pub fn generate(random: &mut Random) -> Vec<Policy> {
    let count = random.below(4);
    let extends: Vec<Option<usize>> = (0..count)
        .map(|number| (number > 0 && random.percent(40)).then(|| random.below(number)))
        .collect();
    let bases = extends.iter().filter(|extends| extends.is_none()).count();
    let (mut base, mut supplemental) = (0, bases);
    (0..count)
        .map(|number| {
            // One that extends a supplemental extends nothing that is there.
            let next = if extends[number].is_none() {
                &mut base
            } else {
                &mut supplemental
            };
            let order = *next;
            *next += 1;
            let size = if random.percent(20) { 60 } else { 8 };
            generate_policy(random, number, order, extends[number], size)
        })
        .collect()
}

fn generate_policy(
    random: &mut Random,
    number: usize,
    order: usize,
    extends: Option<usize>,
    size: usize,
) -> Policy {
    let rules: Vec<Rule> = (0..random.below(size))
        .map(|at| {
            let kind = *random.pick(&[
                Kind::Allow,
                Kind::Allow,
                Kind::Deny,
                Kind::Attribute,
                Kind::Attribute,
            ]);
            generate_rule(random, number, at, kind)
        })
        .collect();
    let of = |kinds: &[Kind]| -> Vec<usize> {
        (0..rules.len())
            .filter(|at| kinds.contains(&rules[*at].kind))
            .collect()
    };
    let direct = of(&[Kind::Allow, Kind::Deny])
        .into_iter()
        .filter(|_| random.percent(60))
        .collect();
    let attributes = of(&[Kind::Attribute]);
    let signers: Vec<Signer> = (0..random.below(size))
        .map(|at| generate_signer(random, number, at, &attributes))
        .collect();
    let (denies, allows) = (of(&[Kind::Deny]), of(&[Kind::Allow]));
    let mut uses = Vec::new();
    for signer in 0..signers.len() {
        if random.percent(10) {
            continue;
        }
        let deny = random.percent(15);
        let from = if deny { &allows } else { &denies };
        let exceptions = indexes(random, 20, 2, from.len())
            .into_iter()
            .map(|at| from[at])
            .collect();
        uses.push(Use {
            deny,
            signer,
            exceptions,
        });
    }
    Policy {
        number,
        order,
        extends,
        audit: random.percent(40),
        allows_supplementals: random.percent(60),
        requires_whql: random.percent(15),
        flight_disabled: random.percent(30),
        minimum: some(random, 60, &[0x8003, 0x8004, 0x8004, 0x800c, 0x800e]),
        rules,
        direct,
        signers,
        uses,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}

fn version(value: u64) -> String {
    format!(
        "{}.{}.{}.{}",
        value >> 48,
        value >> 32 & 0xffff,
        value >> 16 & 0xffff,
        value & 0xffff
    )
}

impl Policy {
    /// The shortest digest that a signature may sign to be allowed.
    pub fn minimum_digest_bytes(&self) -> usize {
        match self.minimum {
            Some(0x8003) => 16,
            Some(0x8004) => 20,
            Some(0x800e) => 64,
            _ => 32,
        }
    }

    pub fn xml(&self, all: &[Self]) -> String {
        let id = |number: usize| format!("{{00000000-0000-0000-0000-{:012}}}", number + 1);
        // One that extends a supplemental is written as extending something else, for that is what it amounts to.
        let base = match self.extends {
            Some(base) if all[base].extends.is_some() => 900,
            Some(base) => base,
            None => self.number,
        };
        let kind = if self.extends.is_some() {
            "Supplemental"
        } else {
            "Base"
        };
        let mut text = format!(
            "<SiPolicy xmlns=\"urn:schemas-microsoft-com:sipolicy\" PolicyType=\"{kind} Policy\">\n<VersionEx>1.0.0.0\
             </VersionEx><PlatformID>{{2E07F7E4-194C-4D20-B7C9-6F44A6C5A234}}</PlatformID><PolicyID>{}</PolicyID>\
             <BasePolicyID>{}</BasePolicyID>\n<Rules>",
            id(self.number),
            id(base)
        );
        for (set, name) in [
            (self.audit, "Enabled:Audit Mode"),
            (self.allows_supplementals, "Enabled:Allow Supplemental Policies"),
            (self.requires_whql, "Required:WHQL"),
            (self.flight_disabled, "Disabled:Flight Signing"),
        ] {
            if set {
                let _ = write!(text, "<Rule><Option>{name}</Option></Rule>");
            }
        }
        text += "</Rules>\n<EKUs>";
        for (id, value) in EKUS {
            let _ = write!(text, "<EKU ID=\"{id}\" Value=\"{}\"/>", hex(value));
        }
        text += "</EKUs>\n<FileRules>\n";
        for rule in &self.rules {
            rule.write(&mut text);
        }
        text += "</FileRules>\n<Signers>\n";
        for signer in &self.signers {
            signer.write(&mut text, self);
        }
        text += "</Signers>\n<SigningScenarios><SigningScenario Value=\"131\" ID=\"ID_SIGNINGSCENARIO_K\"";
        if let Some(minimum) = self.minimum {
            let _ = write!(text, " MinimumHashAlgorithm=\"{minimum}\"");
        }
        text += "><ProductSigners>\n";
        for (deny, list, entry, exception, attribute) in [
            (
                false,
                "AllowedSigners",
                "AllowedSigner",
                "ExceptDenyRule",
                "DenyRuleID",
            ),
            (
                true,
                "DeniedSigners",
                "DeniedSigner",
                "ExceptAllowRule",
                "AllowRuleID",
            ),
        ] {
            let _ = write!(text, "<{list}>");
            for signer_use in self.uses.iter().filter(|signer_use| signer_use.deny == deny) {
                let _ = write!(
                    text,
                    "<{entry} SignerId=\"{}\">",
                    self.signers[signer_use.signer].id
                );
                for at in &signer_use.exceptions {
                    let _ = write!(text, "<{exception} {attribute}=\"{}\"/>", self.rules[*at].id);
                }
                let _ = writeln!(text, "</{entry}>");
            }
            let _ = write!(text, "</{list}>");
        }
        text += "<FileRulesRef>";
        for at in &self.direct {
            let _ = write!(text, "<FileRuleRef RuleID=\"{}\"/>", self.rules[*at].id);
        }
        text + "</FileRulesRef></ProductSigners></SigningScenario></SigningScenarios></SiPolicy>"
    }
}

impl Rule {
    fn write(&self, text: &mut String) {
        let element = match self.kind {
            Kind::Allow => "Allow",
            Kind::Deny => "Deny",
            Kind::Attribute => "FileAttrib",
        };
        let _ = write!(text, "<{element} ID=\"{}\"", self.id);
        if let Some(hash) = &self.hash {
            let _ = write!(text, " Hash=\"{}\"", hex(hash));
        }
        if self.path {
            text.push_str(" FilePath=\"C:\\x.sys\"");
        }
        let attributes = ["FileName", "InternalName", "FileDescription", "ProductName"];
        for (attribute, name) in attributes.iter().zip(self.names) {
            if let Some(name) = name {
                let _ = write!(text, " {attribute}=\"{name}\"");
            }
        }
        for (attribute, bound) in [("MinimumFileVersion", self.min), ("MaximumFileVersion", self.max)] {
            if let Some(bound) = bound {
                let _ = write!(text, " {attribute}=\"{}\"", version(bound));
            }
        }
        text.push_str("/>\n");
    }
}

impl Signer {
    fn write(&self, text: &mut String, policy: &Policy) {
        let _ = write!(text, "<Signer ID=\"{}\" Name=\"made\"", self.id);
        if let Some(after) = self.signed_after {
            let time = match after {
                1_000_000_000 => "2001-09-09T01:46:40Z",
                1_400_000_000 => "2014-05-13T16:53:20Z",
                _ => "2023-11-14T22:13:20Z",
            };
            let _ = write!(text, " SignTimeAfter=\"{time}\"");
        }
        let _ = match &self.root {
            Root::Tbs(tbs) => write!(text, "><CertRoot Type=\"TBS\" Value=\"{}\"/>", hex(tbs)),
            Root::Wellknown(id) => write!(text, "><CertRoot Type=\"Wellknown\" Value=\"{id:02X}\"/>"),
        };
        for eku in &self.ekus {
            let _ = write!(text, "<CertEKU ID=\"{}\"/>", EKUS[*eku].0);
        }
        for eku in &self.except_ekus {
            let _ = write!(text, "<CertEKU ID=\"{}\" Condition=\"Except\"/>", EKUS[*eku].0);
        }
        for (element, name) in [
            ("CertIssuer", self.issuer),
            ("CertPublisher", self.publisher),
            ("CertOemID", self.oem),
        ] {
            if let Some(name) = name {
                let _ = write!(text, "<{element} Value=\"{name}\"/>");
            }
        }
        for at in &self.attributes {
            let _ = write!(text, "<FileAttribRef RuleID=\"{}\"/>", policy.rules[*at].id);
        }
        text.push_str("</Signer>\n");
    }
}
