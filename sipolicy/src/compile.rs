//! Documents to one compiled set.

use crate::CompileError;
use crate::Document;
use crate::FileRule;
use crate::FileRuleKind;
use crate::PolicyKind;
use crate::write_set::SetWriter;
use policy::Options;
use policy::PolicySet;
use policy::format::HashRecord;
use policy::format::NO_BASE;
use policy::format::PolicyRecord;

/// Compiles any number of policies to one set, base policies first, each kind in the order given.
///
/// # Errors
/// [`CompileError`] when the documents do not fit together or the set would be larger than is allowed.
pub fn compile(documents: &[Document]) -> Result<Vec<u8>, CompileError> {
    let of_kind = |kind: PolicyKind| documents.iter().filter(move |document| document.kind == kind);
    let bases: Vec<&Document> = of_kind(PolicyKind::Base).collect();
    let mut seen: Vec<&Document> = Vec::new();
    let mut writer = SetWriter::default();
    for document in bases.iter().copied().chain(of_kind(PolicyKind::Supplemental)) {
        if let Some(twin) = seen.iter().find(|other| other.id == document.id) {
            return Err(CompileError {
                place: Some(document.place.clone()),
                message: format!(
                    "the policy has the id {} of {}; leave one out or give each its own PolicyID",
                    document.id, twin.place
                ),
            });
        }
        seen.push(document);
        policy(&mut writer, document, &bases)?;
    }
    let bytes = writer.finish();
    PolicySet::validate(&bytes).map_err(|error| CompileError {
        place: None,
        message: error.to_string(),
    })?;
    Ok(bytes)
}

fn policy(writer: &mut SetWriter, document: &Document, bases: &[&Document]) -> Result<(), CompileError> {
    let index = u16::try_from(writer.policies.len()).unwrap_or(u16::MAX);
    let base = bases
        .iter()
        .position(|base| base.id == document.base_id)
        .filter(|at| {
            document.kind == PolicyKind::Base || bases[*at].options.contains(Options::ALLOW_SUPPLEMENTAL)
        });
    let mut hash_lengths = 0;
    for rule in &document.kernel_file_rules {
        hash_lengths |= hash_rule(writer, index, &document.file_rules[*rule])?;
    }
    let texts = writer.add_texts(&[&document.name, &document.info_id]);
    let supplemental = document.kind == PolicyKind::Supplemental;
    writer.policies.push(PolicyRecord {
        id: document.id.0,
        base_id: document.base_id.0,
        version: document.version.0.into(),
        options: document.options.0.into(),
        texts: texts.into(),
        base: base
            .and_then(|at| u16::try_from(at).ok())
            .unwrap_or(NO_BASE)
            .into(),
        flags: if supplemental {
            PolicyRecord::SUPPLEMENTAL
        } else {
            0
        }
        .into(),
        hash_lengths: hash_lengths.into(),
        reserved: [0; 8],
    });
    Ok(())
}

/// Adds a hash rule and gives its part of [`PolicyRecord::hash_lengths`].
fn hash_rule(writer: &mut SetWriter, policy: u16, rule: &FileRule) -> Result<u32, CompileError> {
    let number = writer.add_rule(&rule.id, &rule.name);
    let action = u16::from(rule.kind == FileRuleKind::Deny);
    let added = add_hash(&mut writer.hashes20, rule, number, policy, action)
        || add_hash(&mut writer.hashes32, rule, number, policy, action)
        || add_hash(&mut writer.hashes48, rule, number, policy, action)
        || add_hash(&mut writer.hashes64, rule, number, policy, action);
    if !added {
        return Err(CompileError {
            place: Some(rule.place.clone()),
            message: format!(
                "the Hash of {} has {} bytes; a hash rule has 20, 32, 48 or 64",
                rule.id,
                rule.hash.len()
            ),
        });
    }
    let length = match rule.hash.len() {
        20 => 1_u32,
        32 => 2,
        48 => 4,
        _ => 8,
    };
    Ok(length << (16 * u32::from(action)))
}

/// Adds the rule to the table of hashes of `N` bytes if its hash has that length.
fn add_hash<const N: usize>(
    table: &mut Vec<HashRecord<N>>,
    rule: &FileRule,
    number: u32,
    policy: u16,
    action: u16,
) -> bool {
    let Ok(hash) = rule.hash.as_slice().try_into() else {
        return false;
    };
    table.push(HashRecord {
        hash,
        rule: number.into(),
        policy: policy.into(),
        action: action.into(),
    });
    true
}
