//! Whoever can write a file can write all of it that no signature covers, and gains nothing by it: no denial is lost, and nothing is
//! granted that was not.
//!
//! Signed images are changed at random in those parts, and weighed under policies that name what their signatures claim, one thing
//! each. What a denial may miss are signatures that were taken off: whole ones, or an authority above another one that stays, so
//! that the chain ends elsewhere, where the denial asks for nothing beside it. What is left of them in a file is read here by a reader of its own.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use evidence::Evidence;
use evidence::Findings;
use evidence::Options;
use evidence::Workspace;
use evidence::examine;
use gate::driver_image::driver_image;
use gatehouse_tests::der::Node;
use gatehouse_tests::enforcing_gate::EnforcingGate;
use gatehouse_tests::enforcing_gate::Load;
use gatehouse_tests::loader_map::Fields;
use gatehouse_tests::loader_map::below;
use gatehouse_tests::loader_map::u32_at;
use gatehouse_tests::made_policies::Asked;
use gatehouse_tests::made_policies::Kind;
use gatehouse_tests::made_policies::policy;
use gatehouse_tests::made_signatures::CODE_SIGNING;
use gatehouse_tests::made_signatures::Certificate;
use gatehouse_tests::made_signatures::NESTED;
use gatehouse_tests::made_signatures::Signer;
use gatehouse_tests::made_signatures::TIME_STAMPING;
use gatehouse_tests::made_signatures::attribute;
use gatehouse_tests::made_signatures::authenticode;
use gatehouse_tests::made_signatures::key;
use gatehouse_tests::made_signatures::key_info;
use gatehouse_tests::made_signatures::known_moduli;
use gatehouse_tests::made_signatures::modulus_info;
use gatehouse_tests::made_signatures::table;
use gatehouse_tests::made_signatures::table_of;
use gatehouse_tests::made_signatures::with_table;
use gatehouse_tests::made_signatures::without_table;
use gatehouse_tests::remaining_claims::Claim;
use gatehouse_tests::remaining_claims::RootIds;
use gatehouse_tests::remaining_claims::still_claims;
use gatehouse_tests::signed_images::images;
use gatehouse_tests::unsigned_parts::Material;
use gatehouse_tests::unsigned_parts::Message;
use gatehouse_tests::unsigned_parts::messages;
use gatehouse_tests::unsigned_parts::mutate;
use policy::Decision;
use policy::Reason;
use policy::ValidatedSet;
use policy::decide_parts;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha1::Digest;
use sha1::Sha1;

/// How many changed files are looked at, unless this variable says another number.
const MUTANTS: &str = "GATEHOUSE_MUTANTS";

/// How many of them come of one seed.
const BLOCK: usize = 100_000;

/// The seed of the first block; `GATEHOUSE_MUTANTS_SEED` gives another, so that several hunts go on side by side.
fn first_seed() -> Result<u64> {
    match env::var("GATEHOUSE_MUTANTS_SEED") {
        Ok(seed) => Ok(seed.parse()?),
        Err(_) => Ok(1),
    }
}

fn mutants() -> Result<usize> {
    match env::var(MUTANTS) {
        Ok(number) => number.parse().with_context(|| format!("{MUTANTS}={number}")),
        Err(_) => Ok(5000),
    }
}

/// What one policy of a set asks for.
#[derive(Clone, Debug)]
struct Target {
    kind: Kind,
    asked: Asked,
    claim: Claim,
}

/// A signed image, and the policies that name what it claims.
struct Subject {
    name: String,
    image: Vec<u8>,
    /// The same with one byte changed that Windows maps.
    changed: Vec<u8>,
    messages: Vec<Message>,
    targets: Vec<Target>,
    set: ValidatedSet<Vec<u8>>,
    /// The driver's brain under the denials alone.
    gate: EnforcingGate,
}

/// The image with one byte of its first section changed.
fn changed(image: &[u8]) -> Vec<u8> {
    let mut changed = image.to_vec();
    let size_of_headers = u32_at(image, Fields::of(image).checksum() - 4);
    changed[size_of_headers + 0x20] ^= 1;
    changed
}

fn with_evidence<R>(file: &[u8], workspace: &mut Workspace, look: impl FnOnce(&Evidence<'_>) -> R) -> R {
    let mut findings = Findings::new();
    match examine(&mut { file }, &Options::default(), workspace, &mut findings) {
        Ok(evidence) => look(&evidence),
        Err(error) => look(&error.evidence()),
    }
}

impl Subject {
    /// A signed image, with policies by everything that its signatures have. `None` for one without a signature.
    fn of(name: &str, file: &[u8]) -> Result<Option<Self>> {
        let image = without_table(file);
        let found = messages(table_of(file));
        let certificates: Vec<Vec<u8>> = found.iter().flatten().flat_map(Message::certificates).collect();
        let mut workspace = Workspace::try_new(Workspace::DEFAULT_CHUNK)?;
        let asked = with_evidence(file, &mut workspace, |evidence| targets(evidence, &certificates));
        // Those at the top: what is nested is changed inside them.
        let mut top = Vec::new();
        let mut at = 0;
        let table = table_of(file);
        while let Some(body) = table.get(at..).filter(|rest| rest.len() > 8) {
            top.extend(Message::read(&body[8..]));
            at += u32_at(body, 0).max(8).next_multiple_of(8);
        }
        if asked.is_empty() || top.is_empty() {
            return Ok(None);
        }
        let mut targets = Vec::new();
        for target in asked {
            for kind in [Kind::DeniesOnly, Kind::AllowsOnly] {
                targets.push(Target {
                    kind,
                    ..target.clone()
                });
            }
        }
        let mut subject = Self {
            name: name.to_owned(),
            changed: changed(&image),
            image,
            messages: top,
            gate: gate(&targets)?,
            set: compiled(&targets)?,
            targets,
        };
        // Only those that say something of the file as it stands.
        let mut outcomes = Vec::new();
        subject.weigh(file, &mut workspace, |index, decision, reason| {
            outcomes.push((index, decision, reason));
        });
        let mut kept = Vec::new();
        for (index, decision, reason) in outcomes {
            let target = &subject.targets[index];
            match (target.kind, decision, reason) {
                (Kind::DeniesOnly, Decision::Refuse, Reason::ExplicitlyDenied)
                | (Kind::AllowsOnly, Decision::Allow, Reason::Allowed) => kept.push(target.clone()),
                (Kind::DeniesOnly, ..) => bail!("{name}: not denied by {:?}", target.asked),
                _ => {}
            }
        }
        subject.set = compiled(&kept)?;
        subject.gate = gate(&kept)?;
        subject.targets = kept;
        Ok(Some(subject))
    }

    /// What each policy says of a file.
    fn weigh(&self, file: &[u8], workspace: &mut Workspace, mut each: impl FnMut(usize, Decision, Reason)) {
        with_evidence(file, workspace, |evidence| {
            for part in decide_parts(&self.set.set(), evidence) {
                for outcome in part.policies() {
                    each(outcome.index.into(), outcome.decision, outcome.reason);
                }
            }
        });
    }
}

/// One set of a policy for each target.
fn compiled(targets: &[Target]) -> Result<ValidatedSet<Vec<u8>>> {
    let documents = targets.iter().enumerate().map(|(number, target)| {
        let text = policy(number, target.kind, &target.asked);
        sipolicy::Document::read("made.xml", text.as_bytes()).context(text)
    });
    let set = sipolicy::compile(&documents.collect::<Result<Vec<_>>>()?)?;
    ValidatedSet::new(set).ok().context("a sound set")
}

fn gate(targets: &[Target]) -> Result<EnforcingGate> {
    let denials: Vec<Target> = targets
        .iter()
        .filter(|target| target.kind == Kind::DeniesOnly)
        .cloned()
        .collect();
    EnforcingGate::new(compiled(&denials)?.bytes())
}

/// What the signatures in evidence have that policies can name.
fn targets(evidence: &Evidence<'_>, certificates: &[Vec<u8>]) -> Vec<Target> {
    let by_thumbprint: BTreeMap<[u8; 20], &Vec<u8>> = certificates
        .iter()
        .map(|certificate| (Sha1::digest(certificate).into(), certificate))
        .collect();
    let file = evidence.version.present().and_then(|version| {
        let name = version.original_filename.present()?.to_string();
        version.file_version.present().map(|_| (name, "0.0.0.1"))
    });
    let mut found = Vec::new();
    for signature in evidence.signatures.present().unwrap_or_default() {
        let chain: Vec<Vec<u8>> = signature
            .chain
            .iter()
            .filter_map(|certificate| by_thumbprint.get(&certificate.thumbprint_sha1))
            .map(|certificate| (*certificate).clone())
            .collect();
        let Some(leaf) = signature.chain.first() else {
            continue;
        };
        let mut add = |depth: usize, asked: Asked| {
            found.push(Target {
                kind: Kind::DeniesOnly,
                claim: Claim {
                    chain: chain.clone(),
                    depth,
                    asks_more: asked.publisher.is_some() || asked.oem.is_some() || asked.file.is_some(),
                },
                asked,
            });
        };
        let mut authority = None;
        for (depth, certificate) in signature.chain.iter().enumerate() {
            let Some(tbs) = certificate.tbs.present() else {
                continue;
            };
            let asked = Asked {
                tbs: Some(tbs.as_bytes().to_vec()),
                ..Asked::default()
            };
            add(depth, asked.clone());
            if depth <= 1 {
                authority = Some((depth, asked));
            }
        }
        let Some((depth, authority)) = authority else {
            continue;
        };
        let by_name = Asked {
            publisher: leaf.subject_cn.present().map(|name| name.to_string()),
            ..authority.clone()
        };
        add(depth, by_name.clone());
        add(
            depth,
            Asked {
                after: Some("2000-01-01T00:00:00Z"),
                ..by_name.clone()
            },
        );
        if let Some(oem) = signature.oem_id.present().map(|name| name.to_string())
            && !oem.is_empty()
        {
            add(
                depth,
                Asked {
                    oem: Some(oem),
                    ..authority.clone()
                },
            );
        }
        if let Some(usage) = leaf.ekus.iter().last() {
            add(
                0,
                Asked {
                    usage: Some(usage.to_vec()),
                    ..Asked::default()
                },
            );
        }
        if let Some(root) = signature.root.wellknown {
            add(
                chain.len(),
                Asked {
                    root,
                    ..Asked::default()
                },
            );
        }
        if let Some(file) = file.clone() {
            add(
                depth,
                Asked {
                    file: Some(file),
                    ..by_name
                },
            );
        }
    }
    found
}

/// Certificates that anybody can make from what is public: names and keys of others, with signatures of zeros or by nobody's key.
fn forged(genuine: &[Vec<u8>]) -> Result<Vec<Vec<u8>>> {
    let nobody = key(1024, 900)?;
    let moduli = known_moduli()?;
    let mut forged = Vec::new();
    let names: Vec<(Vec<u8>, Vec<u8>, Vec<u8>)> = genuine
        .iter()
        .filter_map(|certificate| {
            let (node, _) = Node::read(certificate, 2)?;
            let fields = node.children()?.first()?.children()?;
            let part = |place: usize| fields.get(place).map(Node::bytes);
            let serial = part(1)?.get(2..)?.to_vec();
            Some((part(3)?, part(5)?, serial))
        })
        .collect();
    for (number, (issuer, subject, serial)) in names.into_iter().enumerate() {
        let plain = Certificate::authority("x", "x", key_info(&nobody));
        let root_key = modulus_info(&moduli[number % moduli.len()]);
        let usages = [vec![], vec![TIME_STAMPING.to_vec()], vec![CODE_SIGNING.to_vec()]];
        // Self-issued, with a known root's key: under a name of its own and under the root's.
        for own in [plain.subject.clone(), issuer.clone()] {
            forged.push(
                Certificate {
                    subject: own.clone(),
                    issuer: own,
                    key_info: root_key.clone(),
                    usages: usages[number % 3].clone(),
                    scheme: [&[0x2a, 0x03][..], &plain.scheme][number % 2].to_vec(),
                    ..plain.clone()
                }
                .issue(None)?,
            );
        }
        // A root and an authority of the genuine one's name with nobody's key.
        for (own, above) in [
            (issuer.clone(), issuer.clone()),
            (subject.clone(), issuer.clone()),
        ] {
            forged.push(
                Certificate {
                    subject: own,
                    issuer: above,
                    serial: serial.clone(),
                    ..plain.clone()
                }
                .issue(Some(&nobody))?,
            );
        }
        // The signer's issuer and serial number on somebody else, and the genuine one's issuer issued by its subject.
        forged.push(
            Certificate {
                subject: plain.subject.clone(),
                issuer: issuer.clone(),
                serial: serial.clone(),
                padding: [0, 70_000][usize::from(number % 9 == 0)],
                ..plain.clone()
            }
            .issue(Some(&nobody))?,
        );
        forged.push(
            Certificate {
                subject: issuer,
                issuer: subject,
                ..plain
            }
            .issue(None)?,
        );
    }
    Ok(forged)
}

/// Certificates of authorities of the genuine ones' names and keys, each with the root of nobody's that issued it.
fn reissued(genuine: &[Vec<u8>]) -> Result<Vec<[Vec<u8>; 2]>> {
    let nobody = key(1024, 900)?;
    let root = Certificate::authority("Nobody", "Nobody", key_info(&nobody));
    let issued = genuine.iter().filter_map(|certificate| {
        let (node, _) = Node::read(certificate, 2)?;
        let fields = node.children()?.first()?.children()?;
        let skipped = usize::from(fields.first()?.tag() == Some(0xa0));
        let part = |place: usize| fields.get(place + skipped).map(Node::bytes);
        Some(Certificate {
            subject: part(4)?,
            key_info: part(5)?,
            ..Certificate::authority("", "Nobody", Vec::new())
        })
    });
    issued
        .map(|body| Ok([body.issue(Some(&nobody))?, root.issue(Some(&nobody))?]))
        .collect()
}

/// Signed images made here: with keys named and without, with the root in the file and without, one inside the other.
fn made() -> Result<Vec<(String, Vec<u8>)>> {
    let image = driver_image(&[0x90; 0x600]);
    let digest = authenticode(&image);
    let mut files = Vec::new();
    for key_ids in [false, true] {
        // No two alike, so that none is taken for the other.
        let (names, seed) =
            [(["Contoso", "Fabrikam"], 100), (["Litware", "Adatum"], 200)][usize::from(key_ids)];
        let contoso = Signer::new(names[0], seed, key_ids)?;
        let fabrikam = Signer::new(names[1], seed + 10, key_ids)?;
        let mut rootless = contoso.clone();
        rootless.certificates.pop();
        let nested = attribute(NESTED, &fabrikam.sign(&digest, "Fabrikam disk", &[])?);
        for (name, message) in [
            ("whole", contoso.sign(&digest, "Contoso disk", &[])?),
            ("rootless", rootless.sign(&digest, "Contoso disk", &[])?),
            ("nesting", contoso.sign(&digest, "Contoso disk", &[nested])?),
        ] {
            let file = with_table(&image, &table(&[message]));
            files.push((format!("made, {name}, key ids {key_ids}"), file));
        }
        let two = [contoso, fabrikam].map(|signer| signer.sign(&digest, "disk", &[]));
        let [first, second] = two;
        files.push((
            format!("made, two, key ids {key_ids}"),
            with_table(&image, &table(&[first?, second?])),
        ));
    }
    Ok(files)
}

/// Published images, but for the larger ones.
fn published(folder: &Path, files: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        if entry.file_type()?.is_dir() {
            published(&entry.path(), files)?;
        } else if (1..200 << 10).contains(&entry.metadata()?.len()) {
            let file = fs::read(entry.path())?;
            if file.starts_with(b"MZ") {
                files.push((entry.path().display().to_string(), file));
            }
        }
    }
    files.sort();
    Ok(())
}

fn subjects() -> Result<Vec<Subject>> {
    let mut files = Vec::new();
    published(&images()?, &mut files)?;
    // Of those that one authority signed, one says it all.
    let mut seen = BTreeMap::new();
    let mut subjects = Vec::new();
    for (name, file) in files.into_iter().chain(made()?) {
        if let Some(subject) = Subject::of(&name, &file)? {
            let chain: Vec<_> = subject
                .targets
                .iter()
                .map(|target| target.asked.tbs.clone())
                .collect();
            if *seen.entry(chain).or_insert(name.clone()) == name {
                subjects.push(subject);
            }
        }
    }
    Ok(subjects)
}

#[derive(Debug, Default)]
struct Tally {
    mutants: usize,
    /// Refusals by denials.
    denied: usize,
    /// Denials that were lost with what was taken off.
    taken_off: usize,
    /// Grants that were left to images that were not changed.
    granted: usize,
    /// Refusals of images that were changed, or are other ones, by policies that allow what the signature claims.
    not_granted: usize,
}

fn hunt(
    subjects: &[Subject],
    material: &Material,
    mutants: usize,
    judged_each: usize,
    seed: u64,
    tally: &mut Tally,
) -> Result<()> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut workspace = Workspace::try_new(Workspace::DEFAULT_CHUNK)?;
    let other = driver_image(&[0xcc; 0x200]);
    let roots = RootIds::read()?;
    for number in 0..mutants {
        let subject = &subjects[number % subjects.len()];
        // Mostly an image of a few bytes: a signature claims the same on any.
        let (image, is_its_own, has_names) = match below(&mut random, 8) {
            0 => (&subject.image, true, true),
            1 => (&subject.changed, false, true),
            _ => (&other, false, false),
        };
        let file = mutate(image, &subject.messages, material, &mut random);
        tally.mutants += 1;
        let before = tally.denied;
        let mut lost = None;
        subject.weigh(&file, &mut workspace, |index, decision, reason| {
            let target = &subject.targets[index];
            match (target.kind, decision, reason) {
                (Kind::DeniesOnly, Decision::Refuse, Reason::ExplicitlyDenied) => tally.denied += 1,
                (Kind::DeniesOnly, ..) if target.asked.file.is_some() && !has_names => {}
                (Kind::DeniesOnly, ..) if !still_claims(&file, &target.claim, &roots) => tally.taken_off += 1,
                (Kind::AllowsOnly, Decision::Allow, Reason::Allowed) if is_its_own => tally.granted += 1,
                (Kind::AllowsOnly, Decision::Refuse, _) => tally.not_granted += 1,
                _ => lost = Some((target, decision, reason)),
            }
        });
        let expected = [Load::Passed, Load::Refused][usize::from(tally.denied > before)];
        // The brain reads the file anew, which takes most of the time.
        let is_judged = number % judged_each == 0;
        if is_judged && subject.gate.load(&file) != expected && lost.is_none() {
            bail!(
                "mutant {number} of {} with seed {seed}: not {expected:?}",
                subject.name
            );
        }
        if let Some((target, decision, reason)) = lost {
            let place = env::temp_dir().join("gatehouse-unsigned-parts-mutant.sys");
            fs::write(&place, &file)?;
            fs::write(place.with_extension("xml"), policy(1, target.kind, &target.asked))?;
            bail!(
                "mutant {number} of {} with seed {seed}: {decision:?} {reason:?} under {:?} {:?}: {}",
                subject.name,
                target.kind,
                target.asked,
                place.display()
            );
        }
    }
    Ok(())
}

#[test]
fn no_change_to_what_is_not_signed_loses_a_denial_or_gains_a_grant() -> Result<()> {
    let subjects = subjects()?;
    ensure!(subjects.len() >= 12, "{} signed images", subjects.len());
    let genuine: Vec<Vec<u8>> = subjects
        .iter()
        .flat_map(|subject| &subject.messages)
        .flat_map(Message::certificates)
        .collect();
    let nobody = key(1024, 900)?;
    let fillers: Result<Vec<Vec<u8>>> = (0..60)
        .map(|number| {
            let name = format!("Filler {number}");
            Certificate::authority(&name, &name, key_info(&nobody)).issue(None)
        })
        .collect();
    let material = Material {
        reissued: reissued(&genuine)?,
        certificates: [forged(&genuine)?, genuine].concat(),
        fillers: fillers?,
        messages: subjects
            .iter()
            .flat_map(|subject| &subject.messages)
            .map(Message::bytes)
            .collect(),
    };
    let mut tally = Tally::default();
    let mutants = mutants()?;
    // Of very many the driver's brain judges some, or it would take all day.
    let judged_each = if mutants > 10 * BLOCK { 8 } else { 1 };
    for seed in first_seed()?.. {
        let left = mutants.saturating_sub(tally.mutants);
        if left == 0 {
            break;
        }
        hunt(
            &subjects,
            &material,
            left.min(BLOCK),
            judged_each,
            seed,
            &mut tally,
        )?;
        println!("{} subjects, {tally:?}", subjects.len());
    }
    // The changes leave enough for each answer to mean something.
    ensure!(tally.granted > 0 && tally.taken_off > 0, "{tally:?}");
    ensure!(tally.denied > 4 * tally.taken_off, "{tally:?}");
    ensure!(tally.not_granted > tally.mutants, "{tally:?}");
    Ok(())
}
