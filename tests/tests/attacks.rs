//! Files made to talk their way round a verdict, each kind once: by the command, from the record that the command made of the file, and
//! in the driver's brain, under the policy that they attack.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use gate::driver_image::driver_image;
use gatehouse_tests::desk::Desk;
use gatehouse_tests::enforcing_gate::EnforcingGate;
use gatehouse_tests::enforcing_gate::Load;
use gatehouse_tests::loader_map::Fields;
use gatehouse_tests::loader_map::put;
use gatehouse_tests::loader_map::put_u16;
use gatehouse_tests::made_policies::Asked;
use gatehouse_tests::made_policies::Kind;
use gatehouse_tests::made_policies::hash_policy;
use gatehouse_tests::made_policies::policy;
use gatehouse_tests::made_signatures::CODE_SIGNING;
use gatehouse_tests::made_signatures::Certificate;
use gatehouse_tests::made_signatures::LIFETIME_SIGNING;
use gatehouse_tests::made_signatures::Shape;
use gatehouse_tests::made_signatures::Signer;
use gatehouse_tests::made_signatures::TIME_STAMPING;
use gatehouse_tests::made_signatures::TOKEN;
use gatehouse_tests::made_signatures::attribute;
use gatehouse_tests::made_signatures::authenticode;
use gatehouse_tests::made_signatures::key;
use gatehouse_tests::made_signatures::key_id;
use gatehouse_tests::made_signatures::key_info;
use gatehouse_tests::made_signatures::known_moduli;
use gatehouse_tests::made_signatures::modulus_info;
use gatehouse_tests::made_signatures::name;
use gatehouse_tests::made_signatures::names_of;
use gatehouse_tests::made_signatures::table;
use gatehouse_tests::made_signatures::table_of;
use gatehouse_tests::made_signatures::tbs_hash;
use gatehouse_tests::made_signatures::with_table;
use gatehouse_tests::made_signatures::without_table;
use gatehouse_tests::unsigned_parts::Message;
use lab::packages;
use serde_json::Value;

const ALLOWED: (&str, &str) = ("allow", "allowed");
const DENIED: (&str, &str) = ("refuse", "explicitly-denied");
const FAILS: (&str, &str) = ("refuse", "fails-policy");
const NOT_WHQL: (&str, &str) = ("refuse", "whql-required");

/// A policy, and files with the right verdict on each.
struct Case {
    policy: String,
    files: Vec<(&'static str, Vec<u8>, (&'static str, &'static str))>,
}

fn case(policy: String, files: Vec<(&'static str, Vec<u8>, (&'static str, &'static str))>) -> Case {
    Case { policy, files }
}

fn by_tbs(certificate: &[u8]) -> Asked {
    Asked {
        tbs: tbs_hash(certificate),
        ..Asked::default()
    }
}

fn allows(asked: &Asked) -> String {
    policy(1, Kind::AllowsOnly, asked)
}

fn denies(asked: &Asked) -> String {
    policy(1, Kind::DeniesOnly, asked)
}

/// An image, and the signer that policies name.
struct Stage {
    image: Vec<u8>,
    digest: [u8; 32],
    signer: Signer,
}

impl Stage {
    fn new() -> Result<Self> {
        let image = driver_image(&[0x90; 0x600]);
        Ok(Self {
            digest: authenticode(&image),
            image,
            signer: Signer::new("Contoso", 100, true)?,
        })
    }

    fn authority(&self) -> &[u8] {
        &self.signer.certificates[1]
    }

    fn signed_by(&self, signer: &Signer, unsigned: &[Vec<u8>]) -> Result<Vec<u8>> {
        Ok(self.with(&[signer.sign(&self.digest, "Contoso disk", unsigned)?]))
    }

    fn with(&self, messages: &[Vec<u8>]) -> Vec<u8> {
        with_table(&self.image, &table(messages))
    }

    /// The signer's certificate with another validity and one usage more.
    fn leaf(&self, validity: [&'static str; 2], usage: &[u8]) -> Result<Vec<u8>> {
        Certificate {
            serial: self.signer.serial.clone(),
            usages: vec![CODE_SIGNING.to_vec(), usage.to_vec()],
            validity,
            ..Certificate::leaf("Contoso Ltd", "Contoso Authority", key_info(&key(1024, 102)?))
        }
        .issue(Some(&key(1024, 101)?))
    }

    fn signer_with(&self, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Signer {
        let mut signer = self.signer.clone();
        change(&mut signer.certificates);
        signer
    }
}

/// The file with numbers written over it.
fn changed(file: &[u8], fields: &[(usize, usize)]) -> Vec<u8> {
    let mut file = file.to_vec();
    for (at, value) in fields {
        put(&mut file, *at, *value);
    }
    file
}

/// Files that prove nothing by what they are like, where only one signer's files are allowed.
fn unreadable_by_choice(stage: &Stage) -> Result<Vec<Case>> {
    let image = &stage.image;
    let entry = Fields::of(image).security();
    let first_section = Fields::of(image).sections(image);
    let nobody = key(1024, 900)?;
    let filler = |number: usize| Certificate {
        serial: number.to_be_bytes().to_vec(),
        ..Certificate::authority(&format!("Filler {number}"), "x", key_info(&nobody))
    };
    let fillers: Result<Vec<_>> = (0..65).map(|number| filler(number).issue(None)).collect();
    let fillers = fillers?;
    let impostors: Result<Vec<_>> = (0..60)
        .map(|number| {
            Certificate {
                subject: name("Contoso Authority"),
                ..filler(number)
            }
            .issue(None)
        })
        .collect();
    let impostors = impostors?;
    // Who says that the allowed authority issued its certificate.
    let pretender = Signer {
        key: nobody.clone(),
        issuer: name("Contoso Authority"),
        serial: vec![9],
        certificates: vec![
            Certificate {
                serial: vec![9],
                ..Certificate::leaf("Contoso Ltd", "Contoso Authority", key_info(&nobody))
            }
            .issue(Some(&nobody))?,
            stage.authority().to_vec(),
        ],
    };
    let mut crowded = pretender.clone();
    crowded.certificates.extend(fillers);
    let mut beset = pretender.clone();
    beset.certificates.splice(1..1, impostors);
    let mut strange = pretender.clone();
    strange.certificates[0] = Certificate {
        serial: vec![9],
        scheme: vec![0x2b, 0x65, 0x70],
        ..Certificate::leaf("Contoso Ltd", "Contoso Authority", key_info(&nobody))
    }
    .issue(None)?;
    let mut sections = image.clone();
    put_u16(&mut sections, Fields::of(image).checksum() - 82, 97);
    let mut shifted = image.clone();
    shifted.extend([0; 4]);
    let genuine = table(&[stage.signer.sign(&stage.digest, "Contoso disk", &[])?]);
    let place = shifted.len();
    shifted.extend(&genuine);
    let unaligned = changed(&shifted, &[(entry, place), (entry + 4, genuine.len())]);
    let files = |expected| -> Result<Vec<_>> {
        Ok(vec![
            ("unsigned", image.clone(), expected),
            (
                "entry over the headers",
                changed(image, &[(entry, 0x10), (entry + 4, 0x10)]),
                expected,
            ),
            (
                "entry past the end",
                changed(image, &[(entry, image.len() - 8), (entry + 4, 0x10)]),
                expected,
            ),
            (
                "table of zeros",
                with_table(image, &vec![0; (4 << 20) + 8]),
                expected,
            ),
            ("a pretender", stage.signed_by(&pretender, &[])?, expected),
            ("65 certificates", stage.signed_by(&crowded, &[])?, expected),
            ("60 issuers of one name", stage.signed_by(&beset, &[])?, expected),
            ("unknown algorithm", stage.signed_by(&strange, &[])?, expected),
            (
                "raw size past the end",
                changed(image, &[(first_section + 16, 0x7fff_ffff)]),
                expected,
            ),
            ("97 sections", sections.clone(), expected),
            ("table off 8 bytes", unaligned.clone(), expected),
        ])
    };
    let asked = by_tbs(stage.authority());
    let required = allows(&asked).replace(
        "<Rules/>",
        "<Rules><Rule><Option>Required:WHQL</Option></Rule></Rules>",
    );
    Ok(vec![
        case(
            allows(&asked),
            [
                vec![("control", stage.signed_by(&stage.signer, &[])?, ALLOWED)],
                files(FAILS)?,
            ]
            .concat(),
        ),
        case(required, files(NOT_WHQL)?),
    ])
}

/// What is put beside a denied signature so that it is not seen.
fn beside_a_denied_signature(stage: &Stage) -> Result<Vec<Case>> {
    let nobody = key(1024, 900)?;
    let forged = Certificate {
        usages: vec![TIME_STAMPING.to_vec()],
        ..Certificate::authority("Contoso Root", "Contoso Root", key_info(&nobody))
    }
    .issue(None)?;
    let twin = Certificate {
        serial: stage.signer.serial.clone(),
        ..Certificate::leaf("x", "Contoso Authority", key_info(&nobody))
    }
    .issue(None)?;
    let fillers: Result<Vec<_>> = (0..60)
        .map(|number| {
            let name = format!("Filler {number}");
            Certificate::authority(&name, "Filler 0", key_info(&nobody)).issue(None)
        })
        .collect();
    let crowd = stage.signer_with(|certificates| certificates.extend(fillers.unwrap_or_default()));
    let junk = attribute(TOKEN, &crowd.sign(&[7; 32], "junk", &[])?);
    let mut cut = stage.signer.sign(&stage.digest, "Contoso disk", &[])?;
    let end = cut.len() - 40;
    cut[end] ^= 1;
    let files = vec![
        ("control, denied", stage.signed_by(&stage.signer, &[])?, DENIED),
        (
            "forged root",
            stage.signed_by(&stage.signer_with(|all| all.insert(0, forged.clone())), &[])?,
            DENIED,
        ),
        (
            "twin of the signer first",
            stage.signed_by(&stage.signer_with(|all| all.insert(0, twin.clone())), &[])?,
            DENIED,
        ),
        ("crowd", stage.signed_by(&crowd, &[])?, DENIED),
        (
            "junk timestamps",
            stage.signed_by(&stage.signer, &[junk.repeat(4)])?,
            DENIED,
        ),
        (
            "table past 4 MiB",
            with_table(
                &stage.image,
                &[
                    table(&[stage.signer.sign(&stage.digest, "Contoso disk", &[])?]),
                    vec![0; 4 << 20],
                ]
                .concat(),
            ),
            DENIED,
        ),
        ("signature changed", stage.with(&[cut]), DENIED),
        (
            "no certificates",
            stage.signed_by(&stage.signer_with(Vec::clear), &[])?,
            DENIED,
        ),
        (
            "nobody's signature",
            with_table(&stage.image, &[0x41; 64]),
            DENIED,
        ),
        ("unsigned", stage.image.clone(), ALLOWED),
    ];
    let late = Asked {
        after: Some("2025-01-01T00:00:00Z"),
        ..by_tbs(stage.authority())
    };
    Ok(vec![
        case(denies(&by_tbs(stage.authority())), files),
        // A time that is not proven is late enough for a denial, and never for a grant.
        case(
            denies(&late),
            vec![
                (
                    "denied without a time",
                    stage.signed_by(&stage.signer, &[])?,
                    DENIED,
                ),
                (
                    "denied with a junk time",
                    stage.signed_by(&stage.signer, &[attribute(TOKEN, &[5, 0])])?,
                    DENIED,
                ),
            ],
        ),
        case(
            allows(&late),
            vec![
                ("no time", stage.signed_by(&stage.signer, &[])?, FAILS),
                (
                    "junk time",
                    stage.signed_by(&stage.signer, &[attribute(TOKEN, &[5, 0])])?,
                    FAILS,
                ),
            ],
        ),
    ])
}

/// Other bytes are mapped, and the digest is the same.
fn other_bytes_under_one_digest(stage: &Stage) -> Result<Vec<Case>> {
    // Headers with room for a table before the first section.
    let mut image = stage.image.clone();
    let fields = Fields::of(&image);
    let section = fields.sections(&image);
    image.splice(0x200..0x200, [0; 0x600]);
    put(&mut image, fields.checksum() - 4, 0x800);
    put(&mut image, section + 20, 0x800);
    let digest = authenticode(&image);
    // The digest leaves out a table, wherever it stands: what lies behind it moves.
    let junk = table(&[vec![0x5a; 0xa8]]);
    let mut shifted = image.clone();
    shifted.splice(0x400..0x400, junk.iter().copied());
    put(&mut shifted, fields.security(), 0x400);
    put(&mut shifted, fields.security() + 4, junk.len());
    let signature = table(&[stage.signer.sign(&digest, "Contoso disk", &[])?]);
    let mut in_the_gap = image.clone();
    in_the_gap.splice(0x400..0x400, signature.iter().copied());
    put(&mut in_the_gap, fields.security(), 0x400);
    put(&mut in_the_gap, fields.security() + 4, signature.len());
    Ok(vec![
        case(
            hash_policy(&digest),
            vec![
                ("approved", image.clone(), ALLOWED),
                ("table in the gap", shifted, FAILS),
            ],
        ),
        case(
            allows(&by_tbs(stage.authority())),
            vec![
                ("signed", with_table(&image, &signature), ALLOWED),
                ("signature in the gap", in_the_gap, FAILS),
            ],
        ),
    ])
}

/// Chains that have ended or do not hold, and forms that real signatures have.
fn forms_and_chains(stage: &Stage) -> Result<Vec<Case>> {
    let [lasting, ended, long_ended] = [
        ["200101000000Z", "490101000000Z"],
        ["200101000000Z", "210101000000Z"],
        ["500101000000Z", "691231235959Z"],
    ]
    .map(|validity| stage.leaf(validity, LIFETIME_SIGNING));
    let (lasting, ended, long_ended) = (lasting?, ended?, long_ended?);
    let lifetime = |leaf: Vec<u8>| stage.signer_with(|all| all[0] = leaf);
    let tampered = stage.signer_with(|all| {
        if let Some(last) = all[1].last_mut() {
            *last ^= 1;
        }
    });
    let shaped = |shape| -> Result<Vec<u8>> {
        Ok(stage.with(&[stage
            .signer
            .sign_shaped(&stage.digest, "Contoso disk", &[], shape)?]))
    };
    let no_type = shaped(Shape {
        has_no_content_type: true,
        ..Shape::default()
    })?;
    let wrapped = shaped(Shape {
        is_wrapped: true,
        ..Shape::default()
    })?;
    let publisher_info = shaped(Shape {
        has_publisher_info: true,
        ..Shape::default()
    })?;
    let asked = by_tbs(stage.authority());
    let oem = Asked {
        oem: Some("Contoso disk".to_owned()),
        ..asked.clone()
    };
    Ok(vec![
        case(
            allows(&asked),
            vec![
                (
                    "lifetime, lasting",
                    stage.signed_by(&lifetime(lasting), &[])?,
                    ALLOWED,
                ),
                (
                    "lifetime, ended",
                    stage.signed_by(&lifetime(ended.clone()), &[])?,
                    FAILS,
                ),
                (
                    "lifetime, ended before there was Unix",
                    stage.signed_by(&lifetime(long_ended), &[])?,
                    FAILS,
                ),
                ("authority tampered with", stage.signed_by(&tampered, &[])?, FAILS),
                ("no content type", no_type.clone(), ALLOWED),
                ("wrapped", wrapped.clone(), ALLOWED),
            ],
        ),
        case(
            denies(&asked),
            vec![
                ("denied, ended", stage.signed_by(&lifetime(ended), &[])?, DENIED),
                (
                    "denied, authority tampered with",
                    stage.signed_by(&tampered, &[])?,
                    DENIED,
                ),
                ("denied, no content type", no_type, DENIED),
                ("denied, wrapped", wrapped, DENIED),
            ],
        ),
        case(
            allows(&oem),
            vec![("publisher info", publisher_info.clone(), ALLOWED)],
        ),
        case(
            denies(&oem),
            vec![("denied, publisher info", publisher_info, DENIED)],
        ),
    ])
}

/// Usages that look alike, and an authority that is not the one.
fn usages_and_authorities(stage: &Stage) -> Result<Vec<Case>> {
    // A usage, and what numbers with dots would make the same: with a zero in front, and with a last number that is not ended.
    let usage = [0x2b, 0x06, 0x01, 0x04, 0x01, 0xce, 0x0f, 0x05];
    let of_usage = |usage: &[u8]| -> Result<Vec<u8>> {
        let leaf = stage.leaf(["200101000000Z", "490101000000Z"], usage)?;
        stage.signed_by(&stage.signer_with(|all| all[0] = leaf), &[])
    };
    let used = of_usage(&usage)?;
    let zero_in_front = of_usage(&[&[0x80][..], &usage].concat())?;
    let not_ended = of_usage(&[&usage[..], &[0x81]].concat())?;
    let by_usage = Asked {
        usage: Some(usage.to_vec()),
        ..by_tbs(stage.authority())
    };
    // The authority's key, issued anew by somebody.
    let somebody = key(1024, 900)?;
    let root = Certificate::authority("Somebody", "Somebody", key_info(&somebody)).issue(Some(&somebody))?;
    let reissued = Certificate::authority("Contoso Authority", "Somebody", key_info(&key(1024, 101)?))
        .issue(Some(&somebody))?;
    let under_somebody = stage.signer_with(|all| {
        all.truncate(1);
        all.extend([reissued, root]);
    });
    let by_publisher = Asked {
        publisher: Some("Contoso Ltd".to_owned()),
        ..by_tbs(stage.authority())
    };
    Ok(vec![
        case(
            allows(&by_usage),
            vec![
                ("of a usage", used.clone(), ALLOWED),
                ("of one with a zero in front", zero_in_front.clone(), FAILS),
                ("of one that is not ended", not_ended.clone(), FAILS),
            ],
        ),
        case(
            denies(&by_usage),
            vec![
                ("denied, of a usage", used, DENIED),
                ("of another with a zero in front", zero_in_front, ALLOWED),
                ("of another that is not ended", not_ended, ALLOWED),
            ],
        ),
        case(
            denies(&by_publisher),
            vec![(
                "denied, authority issued anew",
                stage.signed_by(&under_somebody, &[])?,
                DENIED,
            )],
        ),
    ])
}

/// The same against signatures of other people's, under roots that are known.
fn against_published_drivers() -> Result<Vec<Case>> {
    let file = fs::read(packages::WINDIVERT.fetch()?)?;
    let (image, mut message, authority) = published(&file, b"Code Signing CA EV R36")?;
    let root = known_moduli()?.into_iter().next().context("a root")?;
    let forged = Certificate {
        usages: vec![TIME_STAMPING.to_vec()],
        ..Certificate::authority("x", "x", modulus_info(&root))
    };
    message.insert_certificate(0, &forged.issue(None)?);
    let with_root = with_table(&image, &table(&[message.bytes()]));
    let denied = case(
        denies(&by_tbs(&authority)),
        vec![
            ("published, denied", file, DENIED),
            ("published, denied, forged root", with_root, DENIED),
        ],
    );

    let file = fs::read(packages::VIGEMBUS.fetch()?)?;
    let (_, _, authority) = published(&file, b"Third Party Component CA 2014")?;
    // The root that it names did not sign that.
    let place = file
        .windows(authority.len())
        .position(|window| window == authority)
        .context("the authority in the file")?;
    let mut tampered = file.clone();
    tampered[place + authority.len() - 1] ^= 1;
    let asked = by_tbs(&authority);
    // A certificate with the very root's key, which is for timestamps as it says: the root's power is not the file's to limit.
    let (image, mut message, _) = published(&file, b"Third Party Component CA 2014")?;
    let root = known_moduli()?
        .into_iter()
        .find(|modulus| key_id(modulus).starts_with(&ROOT_2010))
        .context("the root of 2010")?;
    let forged = Certificate {
        usages: vec![TIME_STAMPING.to_vec()],
        ..Certificate::authority("x", "x", modulus_info(&root))
    };
    message.insert_certificate(0, &forged.issue(None)?);
    let with_root = with_table(&image, &table(&[message.bytes()]));
    Ok(vec![
        denied,
        case(
            allows(&asked),
            vec![
                ("published, allowed", file, ALLOWED),
                ("published, allowed, forged root", with_root, ALLOWED),
                ("published, authority tampered with", tampered.clone(), FAILS),
            ],
        ),
        case(
            denies(&asked),
            vec![("published, denied, authority tampered with", tampered, DENIED)],
        ),
    ])
}

/// What the identifier of Microsoft's root of 2010 begins with, as certificates below it state it.
const ROOT_2010: [u8; 4] = [0xd5, 0xf6, 0x56, 0xcb];

/// Image, signature and the certificate of the authority of this name, of a published driver.
fn published(file: &[u8], name: &[u8]) -> Result<(Vec<u8>, Message, Vec<u8>)> {
    let message = Message::read(&table_of(file)[8..]).context("a signature")?;
    let is_it = |certificate: &Vec<u8>| {
        names_of(certificate).is_some_and(|(_, subject)| subject.windows(name.len()).any(|part| part == name))
    };
    let authority = message.certificates().into_iter().find(is_it);
    Ok((without_table(file), message, authority.context("the authority")?))
}

fn cases() -> Result<Vec<Case>> {
    let stage = Stage::new()?;
    Ok([
        unreadable_by_choice(&stage)?,
        beside_a_denied_signature(&stage)?,
        other_bytes_under_one_digest(&stage)?,
        forms_and_chains(&stage)?,
        usages_and_authorities(&stage)?,
        against_published_drivers()?,
    ]
    .into_iter()
    .flatten()
    .collect())
}

/// Decision and reason by path.
fn verdicts(desk: &Desk, words: &[&str], paths: &[PathBuf]) -> Result<BTreeMap<PathBuf, (String, String)>> {
    let (_, records) = desk.records(words, paths)?;
    let verdicts = records.iter().map(|record| {
        let text = |value: &Value| Some(value.as_str()?.to_owned());
        let verdict = (text(&record["decision"]), text(&record["reason"]["name"]));
        let (Some(path), (Some(decision), Some(reason))) = (text(&record["path"]), verdict) else {
            anyhow::bail!("not a verdict: {record}");
        };
        Ok((PathBuf::from(path), (decision, reason)))
    });
    verdicts.collect()
}

#[test]
fn every_attack_has_its_verdict_through_every_door() -> Result<()> {
    let desk = Desk::new()?;
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (number, case) in cases()?.iter().enumerate() {
        let policy = format!("policy-{number}.xml");
        desk.write(&policy, case.policy.as_bytes())?;
        let document = sipolicy::Document::read(&policy, case.policy.as_bytes())?;
        // The driver is sure of a file without a sound signature once it knows the catalogues.
        let catalogs = evidence::CatalogIndexBuilder::new()
            .finish()
            .ok()
            .context("memory")?;
        let set = sipolicy::compile_with_catalogs(&[document], catalogs)?;
        let gate = EnforcingGate::new(&set.bytes)?;
        let paths = case
            .files
            .iter()
            .map(|(name, bytes, _)| desk.write(&format!("{number} {name}.sys"), bytes))
            .collect::<Result<Vec<_>>>()?;
        let weighed = verdicts(&desk, &["simulate", "--policy", &policy], &paths)?;
        let records = desk.write(
            "records.json",
            desk.lines(&["scan"], &paths)?.1.join("\n").as_bytes(),
        )?;
        let replayed = verdicts(
            &desk,
            &["simulate", "--policy", &policy, "--evidence"],
            &[records],
        )?;
        for ((name, bytes, (decision, reason)), path) in case.files.iter().zip(&paths) {
            let expected = ((*decision).to_owned(), (*reason).to_owned());
            let load = [Load::Passed, Load::Refused][usize::from(*decision == "refuse")];
            seen += 1;
            if weighed.get(path) != Some(&expected) {
                wrong.push(format!(
                    "{number} {name}: {:?}, not {expected:?}",
                    weighed.get(path)
                ));
            }
            if replayed.get(path) != Some(&expected) {
                wrong.push(format!(
                    "{number} {name}, replayed: {:?}, not {expected:?}",
                    replayed.get(path)
                ));
            }
            let loaded = gate.load(bytes);
            if loaded != load {
                wrong.push(format!("{number} {name}, loaded: {loaded:?}, not {load:?}"));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    ensure!(seen >= 45, "{seen} files");
    Ok(())
}

/// What is found in a file depends on nothing but the file.
#[test]
fn the_record_of_a_file_is_the_same_alone_and_among_others_in_any_order() -> Result<()> {
    let desk = Desk::new()?;
    let mut paths = Vec::new();
    for (number, case) in cases()?.iter().enumerate() {
        for (name, bytes, _) in &case.files {
            paths.push(desk.write(&format!("{number} {name}.sys"), bytes)?);
        }
    }
    let scan = |words: &[&str], paths: &[PathBuf]| -> Result<BTreeMap<String, Value>> {
        let (_, lines) = desk.lines(&[&["scan"], words].concat(), paths)?;
        let records = lines.iter().map(|line| {
            let mut record: Value = serde_json::from_str(line)?;
            record.as_object_mut().context("a record")?.remove("weighed_at");
            Ok((record["path"].as_str().context("a path")?.to_owned(), record))
        });
        records.collect()
    };
    let together = scan(&[], &paths)?;
    ensure!(together.len() == paths.len(), "{} records", together.len());
    let reversed: Vec<PathBuf> = paths.iter().rev().cloned().collect();
    for jobs in ["1", "2", "7"] {
        ensure!(scan(&["--jobs", jobs], &paths)? == together, "{jobs} jobs");
        ensure!(
            scan(&["--jobs", jobs], &reversed)? == together,
            "{jobs} jobs, reversed"
        );
    }
    for path in &paths {
        let alone = scan(&[], std::slice::from_ref(path))?;
        let key = path.display().to_string();
        ensure!(alone.get(&key) == together.get(&key), "{key} alone");
    }
    Ok(())
}
