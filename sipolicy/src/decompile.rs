//! A compiled set as documents again: what of its policies it holds, for showing and comparing it.

use crate::document::CertEku;
use crate::document::CertRoot;
use crate::document::Document;
use crate::document::Eku;
use crate::document::FileAttributes;
use crate::document::FileRule;
use crate::document::FileRuleKind;
use crate::document::KERNEL_SCENARIO;
use crate::document::PolicyKind;
use crate::document::Position;
use crate::document::Reference;
use crate::document::Scenario;
use crate::document::Setting;
use crate::document::SettingValue;
use crate::document::Signer;
use crate::document::SignerUse;
use crate::guid::Guid;
use crate::version::FileVersion;
use policy::Action;
use policy::Asks;
use policy::FileView;
use policy::PolicySet;
use policy::PolicyView;
use policy::SignerView;
use std::collections::HashSet;

/// The policies of a set, in its order. Ids and names of rules are as the documents had them; the names that rules go by are in
/// upper case, as the set compares them; what decides nothing about kernel images is not there.
pub fn decompile(set: &PolicySet<'_>) -> Vec<Document> {
    let mut policies: Vec<Decompiler> = set.policies().map(|view| Decompiler::new(&view)).collect();
    let mut rules = Vec::new();
    set.rules(&mut |used| rules.push(used));
    rules.sort_by_key(|used| used.number);
    for used in rules {
        let Some(policy) = policies.get_mut(usize::from(used.policy)) else {
            continue;
        };
        let (id, name, action) = (used.rule.id, used.rule.name, used.rule.action);
        match used.asks {
            Asks::Hash(hash) => policy.hash(id, name, action, hash),
            Asks::File(file) => policy.file(&file, action),
            Asks::Signer(signer) => policy.signer(id, name, action, &signer),
        }
    }
    policies.into_iter().map(|policy| policy.document).collect()
}

struct Decompiler {
    document: Document,
    /// Ids of the file rules and signers that are there already.
    there: HashSet<String>,
}

fn reference(id: &str) -> Reference {
    Reference {
        position: Position::default(),
        id: id.to_owned(),
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

impl Decompiler {
    fn new(view: &PolicyView<'_>) -> Self {
        let text = |value_name: &str, text: &str| {
            Some(Setting {
                provider: "PolicyInfo".to_owned(),
                key: "Information".to_owned(),
                value_name: value_name.to_owned(),
                value: SettingValue::String(some(text)?),
            })
        };
        Self {
            document: Document {
                file: "compiled set".into(),
                kind: if view.is_supplemental() {
                    PolicyKind::Supplemental
                } else {
                    PolicyKind::Base
                },
                friendly_name: some(view.name()),
                version: FileVersion(view.version()),
                policy_id: Some(Guid(view.id())),
                base_policy_id: Some(Guid(view.base_id())),
                options: view.options(),
                scenarios: vec![Scenario {
                    id: "ID_SIGNINGSCENARIO_DRIVERS".to_owned(),
                    value: KERNEL_SCENARIO,
                    minimum_hash_algorithm: match view.minimum_digest() {
                        16 => Some(0x8003),
                        20 => Some(0x8004),
                        48 => Some(0x800d),
                        64 => Some(0x800e),
                        _ => None,
                    },
                    ..Scenario::default()
                }],
                settings: text("Id", view.info_id()).into_iter().collect(),
                ..Document::default()
            },
            there: HashSet::new(),
        }
    }

    /// The rules and signers of the one scenario.
    fn group(&mut self) -> &mut crate::document::SignerGroup {
        &mut self.document.scenarios[0].product
    }

    fn rule(&mut self, rule: FileRule) {
        if self.there.insert(rule.id.clone()) {
            self.document.file_rules.push(rule);
        }
    }

    fn hash(&mut self, id: &str, name: &str, action: Action, hash: &[u8]) {
        self.rule(FileRule {
            position: Position::default(),
            kind: kind_of(action),
            generic: false,
            id: id.to_owned(),
            friendly_name: some(name),
            hash: hash.to_vec(),
            attributes: None,
        });
        self.group().rules.push(reference(id));
    }

    fn file(&mut self, file: &FileView<'_>, action: Action) {
        self.rule(file_rule(file, kind_of(action)));
        let (id, _) = file.name();
        self.group().rules.push(reference(id));
    }

    /// Adds a rule that a signer refers to.
    fn referred(&mut self, file: &FileView<'_>) -> Reference {
        let kind = if file.denies() {
            FileRuleKind::Deny
        } else {
            FileRuleKind::Attribute
        };
        self.rule(file_rule(file, kind));
        reference(file.name().0)
    }

    fn signer(&mut self, id: &str, name: &str, action: Action, signer: &SignerView<'_>) {
        let exceptions = signer.exceptions().map(|file| self.referred(&file)).collect();
        if self.there.insert(id.to_owned()) {
            let ekus = signer.ekus().map(|(eku, except)| self.eku(eku, except)).collect();
            let file_attributes = signer.files().map(|file| self.referred(&file)).collect();
            self.document.signers.push(Signer {
                position: Position::default(),
                id: id.to_owned(),
                name: some(name),
                sign_time_after: signer.signed_after().and_then(|time| i64::try_from(time).ok()),
                root: match signer.tbs() {
                    Some(tbs) => CertRoot::Tbs(tbs.to_vec()),
                    None => CertRoot::Wellknown(signer.wellknown()),
                },
                ekus,
                issuer: signer.issuer().map(str::to_owned),
                publisher: signer.publisher().map(str::to_owned),
                oem_id: signer.oem_id().map(str::to_owned),
                file_attributes,
                artifact_rules: Vec::new(),
            });
        }
        let found = SignerUse {
            signer: reference(id),
            exceptions,
        };
        match action {
            Action::Allow => self.group().allowed.push(found),
            Action::Deny => self.group().denied.push(found),
        }
    }

    /// The key usage with this content, made where it is not there yet.
    fn eku(&mut self, content: &[u8], except: bool) -> CertEku {
        let length = u8::try_from(content.len()).unwrap_or(u8::MAX);
        let value = [&[1, length][..], content].concat();
        let ekus = &mut self.document.ekus;
        let at = ekus
            .iter()
            .position(|eku| eku.value.as_ref() == Some(&value))
            .unwrap_or(ekus.len());
        let id = format!("ID_EKU_{}", at + 1);
        if at == ekus.len() {
            ekus.push(Eku {
                position: Position::default(),
                id: id.clone(),
                friendly_name: None,
                value: Some(value),
                oid: None,
            });
        }
        CertEku {
            eku: reference(&id),
            except,
        }
    }
}

fn kind_of(action: Action) -> FileRuleKind {
    match action {
        Action::Allow => FileRuleKind::Allow,
        Action::Deny => FileRuleKind::Deny,
    }
}

fn file_rule(file: &FileView<'_>, kind: FileRuleKind) -> FileRule {
    let (id, name) = file.name();
    let [mut file_name, internal_name, file_description, product_name] =
        file.names().map(|name| name.map(str::to_owned));
    let any = [&file_name, &internal_name, &file_description, &product_name]
        .into_iter()
        .all(Option::is_none);
    if any && file.hash().is_none() && !file.never() {
        file_name = Some("*".to_owned());
    }
    // A maximum of 0.0.0.0 is none; only a deny rule with a minimum alone covers up to that.
    let bounds = file.versions();
    let attributes = FileAttributes {
        file_name,
        internal_name,
        file_description,
        product_name,
        minimum_version: bounds.map(|(low, _)| FileVersion(low)),
        maximum_version: bounds
            .map(|(_, high)| FileVersion(high))
            .filter(|high| *high != FileVersion::default()),
        file_path: file.never().then(|| "(not kept in a compiled set)".to_owned()),
        ..FileAttributes::default()
    };
    FileRule {
        position: Position::default(),
        kind,
        generic: false,
        id: id.to_owned(),
        friendly_name: some(name),
        hash: file.hash().unwrap_or_default().to_vec(),
        attributes: Some(Box::new(attributes)),
    }
}
