//! Generated policies, and their XML.

use super::Random;

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
