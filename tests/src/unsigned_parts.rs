//! What no signature covers in a signed image, taken apart, and ways to change it: the certificates that go along, unsigned attributes,
//! the fields of a signer beside its signed attributes, the forms and versions around them, the certificate table and where it is said
//! to be.

use rand_chacha::ChaCha8Rng;

use crate::der::CONTEXT_0;
use crate::der::CONTEXT_1;
use crate::der::Form;
use crate::der::NULL;
use crate::der::Node;
use crate::der::OCTET_STRING;
use crate::der::OID;
use crate::der::SEQUENCE;
use crate::der::SET;
use crate::der::element;
use crate::loader_map::Fields;
use crate::loader_map::below;
use crate::loader_map::put;
use crate::loader_map::u32_at;
use crate::made_signatures::COUNTERSIGNATURE;
use crate::made_signatures::NESTED;
use crate::made_signatures::SIGNED_DATA;
use crate::made_signatures::TOKEN;
use crate::made_signatures::attribute;
use crate::made_signatures::with_table;
use crate::remaining_claims::contains;
use crate::remaining_claims::key_of;

/// What is put into files from elsewhere.
#[derive(Default)]
pub struct Material {
    /// Certificates: genuine ones of other files, and forged ones.
    pub certificates: Vec<Vec<u8>>,
    /// Certificates that stand for genuine ones, of the same name and key, each with who issued it.
    pub reissued: Vec<[Vec<u8>; 2]>,
    /// Certificates by the hundred, each with names of its own.
    pub fillers: Vec<Vec<u8>>,
    /// Signed messages of other files.
    pub messages: Vec<Vec<u8>>,
}

/// A signed message, taken apart as far as it is not signed.
#[derive(Clone, Debug)]
pub struct Message(Node);

impl Message {
    /// Reads the message that `bytes` begin with. What follows it is kept out.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (node, _) = Node::read(bytes, 4)?;
        let mut message = Self(node);
        let oid = message.0.children()?.first()?;
        if *oid != Node::Raw(element(OID, SIGNED_DATA)) {
            return None;
        }
        for signer in message.signers_mut()? {
            *signer = Node::read(&signer.bytes(), 4)?.0;
        }
        Some(message)
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.bytes()
    }

    fn fields(&self) -> Option<&[Node]> {
        self.0.children()?.get(1)?.children()?.first()?.children()
    }

    fn fields_mut(&mut self) -> Option<&mut Vec<Node>> {
        let explicit = self.0.children_mut()?.get_mut(1)?;
        explicit.children_mut()?.first_mut()?.children_mut()
    }

    fn field_mut(&mut self, tag: u8) -> Option<&mut Vec<Node>> {
        let fields = self.fields_mut()?.get_mut(3..)?;
        let field = fields.iter_mut().find(|field| field.tag() == Some(tag))?;
        field.children_mut()
    }

    fn certificates_mut(&mut self) -> Option<&mut Vec<Node>> {
        self.field_mut(CONTEXT_0)
    }

    fn signers_mut(&mut self) -> Option<&mut Vec<Node>> {
        self.field_mut(SET)
    }

    /// Puts a certificate to the others.
    pub fn insert_certificate(&mut self, place: usize, certificate: &[u8]) {
        if let Some(certificates) = self.certificates_mut() {
            certificates.insert(place, Node::Raw(certificate.to_vec()));
        }
    }

    /// The certificates that go along.
    pub fn certificates(&self) -> Vec<Vec<u8>> {
        self.field(CONTEXT_0).iter().map(Node::bytes).collect()
    }

    /// The signers.
    pub fn signers(&self) -> &[Node] {
        self.field(SET)
    }

    fn field(&self, tag: u8) -> &[Node] {
        let fields = self
            .fields()
            .and_then(|fields| fields.get(3..))
            .unwrap_or_default();
        let field = fields.iter().find(|field| field.tag() == Some(tag));
        field.and_then(Node::children).unwrap_or_default()
    }

    /// The messages nested in it, of all depths; those that cannot be read are `None`.
    pub fn nested(&self) -> Vec<Option<Self>> {
        let mut found = Vec::new();
        for signer in self.signers() {
            for (_, value) in unsigned_values(signer, NESTED) {
                let inner = Self::read(&value);
                let deeper = inner.as_ref().map(Self::nested).unwrap_or_default();
                found.push(inner);
                found.extend(deeper);
            }
        }
        found
    }
}

/// The unsigned attributes of a signer.
fn unsigned(signer: &Node) -> &[Node] {
    let fields = signer.children().unwrap_or_default();
    let last = fields.last().filter(|field| field.tag() == Some(CONTEXT_1));
    last.and_then(Node::children).unwrap_or_default()
}

/// The values of the unsigned attributes of a type, and the places of these.
fn unsigned_values(signer: &Node, oid: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let kind = Node::Raw(element(OID, oid));
    let mut values = Vec::new();
    for (place, attribute) in unsigned(signer).iter().enumerate() {
        let parts = attribute.children().unwrap_or_default();
        if parts.first() == Some(&kind) {
            let set = parts.get(1).and_then(Node::children).unwrap_or_default();
            values.extend(set.iter().map(|value| (place, value.bytes())));
        }
    }
    values
}

/// The messages in the entries of a certificate table as its lengths say, and in each other; `None` for what is no message. What is
/// said to lie behind the end of the file is left out.
pub fn messages(table: &[u8]) -> Vec<Option<Message>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(body) = table.get(at..).filter(|rest| rest.len() >= 8) {
        let length = u32_at(body, 0);
        // It ends the table for every reader: what follows was taken off.
        if length < 8 {
            break;
        }
        let message = Message::read(&body[8..length.min(body.len())]);
        let nested = message.as_ref().map(Message::nested).unwrap_or_default();
        // What says that it is something else, and is no message, is data of somebody's.
        let is_signature = body[6..8] == [2, 0];
        if message.is_some() || is_signature {
            found.push(message);
            found.extend(nested);
        }
        at = at.saturating_add(length).next_multiple_of(8);
    }
    found
}

/// An image with the messages of its signatures changed in one to four ways, in parts that are not signed.
pub fn mutate(image: &[u8], messages: &[Message], material: &Material, random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut messages = messages.to_vec();
    let changes = 1 + below(random, 4);
    for _ in 0..changes {
        let place = below(random, messages.len());
        change_message(&mut messages[place], material, random, 0);
    }
    let table = write_table(&messages, material, random);
    let mut file = with_table(image, &table);
    if below(random, 12) == 0 {
        let entry = Fields::of(&file).security() + 4 * below(random, 2);
        let value = u32_at(&file, entry);
        let other = [0, 8, 16, 0x200, 1 << 20][below(random, 5)] + below(random, 2) * below(random, 8);
        let value = match below(random, 4) {
            0 => other,
            1 => value.saturating_sub(other),
            _ => value + other,
        };
        put(&mut file, entry, value);
    }
    file
}

/// Entries around messages, seldom quite right.
fn write_table(messages: &[Message], material: &Material, random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bodies: Vec<Vec<u8>> = messages.iter().map(Message::bytes).collect();
    if below(random, 10) == 0 {
        let extra = match below(random, 4) {
            0 => Vec::new(),
            1 => vec![0x30; below(random, 64)],
            2 => pick(&material.messages, random),
            _ => bodies[0].clone(),
        };
        bodies.insert(below(random, bodies.len() + 1), extra);
    }
    let mut table = Vec::new();
    for mut body in bodies {
        if below(random, 12) == 0 {
            // Forms, types and versions around what is signed.
            flip(&mut body, 80, random);
        }
        let mut length = body.len() + 8;
        let mut kind = [0x00, 0x02, 0x02, 0x00];
        match below(random, 40) {
            0 => flip(&mut kind, 4, random),
            1 => length += below(random, 16),
            2 => length = length.saturating_sub(below(random, 16)),
            3 => length = [0, 7, 8, 9, 0x7fff_ffff, 0xffff_ffff][below(random, 6)],
            4 => body.resize(body.len() + below(random, 64), 0x41),
            _ => {}
        }
        table.extend(length.to_le_bytes().iter().take(4));
        table.extend(kind);
        table.extend(body);
        table.resize(table.len().next_multiple_of(8), 0);
    }
    if below(random, 20) == 0 {
        table.resize(table.len() + 8 * below(random, 64), 0);
    }
    table
}

/// Changes one message in one way; deeper ones less often.
fn change_message(message: &mut Message, material: &Material, random: &mut ChaCha8Rng, depth: usize) {
    match below(random, 16) {
        0..=7 => {
            if let Some(certificates) = message.certificates_mut() {
                change_certificates(certificates, material, random);
            }
        }
        8..=11 => change_unsigned(message, material, random, depth),
        12..=13 => change_signers(message, material, random),
        _ => change_form(message, material, random),
    }
}

fn change_certificates(certificates: &mut Vec<Node>, material: &Material, random: &mut ChaCha8Rng) {
    let count = certificates.len();
    let anywhere = [0, count, below(random, count + 1)][below(random, 3)];
    match below(random, 64) {
        0 => {
            let many = [30, 60, 80, 300][below(random, 4)];
            let fillers = material.fillers.iter().cycle().take(many);
            certificates.splice(anywhere..anywhere, fillers.cloned().map(Node::Raw));
        }
        1..=3 => {
            let junk = vec![[0x30, 0x04, 0xff][below(random, 3)]; below(random, 40)];
            certificates.insert(anywhere, Node::Raw(junk));
        }
        4..=23 => {
            let other = pick(&material.certificates, random);
            certificates.insert(anywhere, Node::Raw(other));
        }
        24 if !material.reissued.is_empty() => {
            let pair = material.reissued[below(random, material.reissued.len())].clone();
            certificates.splice(anywhere..anywhere, pair.map(Node::Raw));
        }
        25 if count > 0 => {
            let place = below(random, count);
            let own = certificates[place].bytes();
            let reissued = key_of(&own).and_then(|key| {
                let mut pairs = material.reissued.iter();
                pairs.find(|[certificate, _]| contains(certificate, &key))
            });
            if let Some(pair) = reissued {
                // With the root of its own, or without.
                let many = 1 + below(random, 2);
                let pair = pair.iter().take(many).cloned().map(Node::Raw);
                certificates.splice(place..=place, pair);
            }
        }
        26 | 27 if count > 0 => {
            let copy = certificates[below(random, count)].clone();
            certificates.insert(anywhere, copy);
        }
        28..=33 if count > 0 => drop(certificates.remove(below(random, count))),
        34..=38 if count > 0 => certificates.swap(below(random, count), below(random, count)),
        39..=42 if count > 0 => {
            certificates[below(random, count)] = Node::Raw(pick(&material.certificates, random));
        }
        // One beside the genuine one, in front of it or behind it: nearly the same, or of the same names with other keys.
        43..=48 if count > 0 => {
            let mut copy = certificates[below(random, count)].bytes();
            flip(&mut copy, usize::MAX, random);
            certificates.insert(anywhere, Node::Raw(copy));
        }
        // What a certificate says of its signature beside what is signed.
        49 | 50 if count > 0 => {
            let place = below(random, count);
            let Some((mut certificate, _)) = Node::read(&certificates[place].bytes(), 2) else {
                return;
            };
            // The algorithm, and its parameters.
            let scheme = certificate.children_mut().and_then(|parts| parts.get_mut(1));
            if let Some(parts) = scheme.and_then(Node::children_mut) {
                match below(random, 3) {
                    0 => parts.truncate(1),
                    1 => parts.push(Node::Raw(NULL.to_vec())),
                    _ => parts[1..].fill(Node::Raw(element(SEQUENCE, NULL))),
                }
            }
            certificates[place] = Node::Raw(certificate.bytes());
        }
        _ if count > 0 => {
            let place = below(random, count);
            let mut changed = certificates[place].bytes();
            for _ in 0..=below(random, 3) {
                flip(&mut changed, usize::MAX, random);
            }
            certificates[place] = Node::Raw(changed);
        }
        _ => {}
    }
}

fn change_unsigned(message: &mut Message, material: &Material, random: &mut ChaCha8Rng, depth: usize) {
    let own = message.bytes();
    let Some(signer) = message.signers_mut().and_then(|signers| signers.first_mut()) else {
        return;
    };
    let Some(fields) = signer.children_mut() else {
        return;
    };
    if fields.last().and_then(Node::tag) != Some(CONTEXT_1) {
        fields.push(Node::tree(CONTEXT_1, Vec::new()));
    }
    let Some(attributes) = fields.last_mut().and_then(Node::children_mut) else {
        return;
    };
    let count = attributes.len();
    let kind = [TOKEN, COUNTERSIGNATURE, NESTED, &[0x2a, 0x03]][below(random, 4)];
    match below(random, 12) {
        0..=3 => {
            let value = match below(random, 5) {
                0 => vec![0x05, 0x00],
                1 => vec![0x30; below(random, 40)],
                2 => own,
                _ => pick(&material.messages, random),
            };
            let repeat = [1, 1, 1, 2, 5, 20][below(random, 6)];
            let extra = attribute(kind, &value.repeat(1 + below(random, 2)));
            let place = below(random, count + 1);
            attributes.splice(place..place, (0..repeat).map(|_| Node::Raw(extra.clone())));
        }
        4 if count > 0 => drop(attributes.remove(below(random, count))),
        5 if count > 0 => attributes.swap(below(random, count), below(random, count)),
        6 => drop(fields.pop()),
        7 if count > 0 => {
            let mut bytes = attributes[below(random, count)].bytes();
            flip(&mut bytes, usize::MAX, random);
            attributes.push(Node::Raw(bytes));
        }
        // Nested signatures and timestamps are messages too.
        _ if count > 0 && depth < 3 => {
            let place = below(random, count);
            let Some(values) = attributes[place]
                .children_mut()
                .and_then(|parts| parts.get_mut(1))
                .and_then(Node::children_mut)
            else {
                return;
            };
            for value in values {
                if let Some(mut inner) = Message::read(&value.bytes()) {
                    change_message(&mut inner, material, random, depth + 1);
                    *value = inner.0;
                }
            }
        }
        _ => {}
    }
}

fn change_signers(message: &mut Message, material: &Material, random: &mut ChaCha8Rng) {
    let Some(signers) = message.signers_mut() else {
        return;
    };
    let donor = Message::read(&pick(&material.messages, random));
    let donor = donor.and_then(|donor| donor.signers().first().cloned());
    match below(random, 8) {
        0 => {
            let extra = donor.unwrap_or(Node::Raw(vec![0x30, 0x00]));
            signers.insert(below(random, signers.len() + 1), extra);
            return;
        }
        1 => {
            let mut copy = signers.first().map(Node::bytes).unwrap_or_default();
            flip(&mut copy, usize::MAX, random);
            signers.insert(below(random, signers.len() + 1), Node::Raw(copy));
            return;
        }
        _ => {}
    }
    let Some(fields) = signers.first_mut().and_then(Node::children_mut) else {
        return;
    };
    // All but the signed attributes: version, id, digest algorithm, signature algorithm, signature.
    let open: Vec<usize> = (0..fields.len())
        .filter(|place| !matches!(fields[*place].tag(), Some(CONTEXT_0 | CONTEXT_1)))
        .collect();
    let Some(place) = open.get(below(random, open.len().max(1))).copied() else {
        return;
    };
    let theirs = donor
        .as_ref()
        .and_then(Node::children)
        .and_then(|fields| fields.get(place));
    match below(random, 4) {
        0 if theirs.is_some() => fields[place] = theirs.cloned().unwrap_or(Node::Raw(Vec::new())),
        1 => fields[1] = Node::Raw(element(0x80, &[7; 8])),
        _ => {
            let mut bytes = fields[place].bytes();
            flip(&mut bytes, usize::MAX, random);
            fields[place] = Node::Raw(bytes);
        }
    }
}

/// Another form of the same, or something beside it.
fn change_form(message: &mut Message, material: &Material, random: &mut ChaCha8Rng) {
    if below(random, 2) == 0 {
        let mut node = &mut message.0;
        for _ in 0..below(random, 5) {
            let Some(children) = node.children_mut().filter(|children| !children.is_empty()) else {
                break;
            };
            let place = below(random, children.len());
            if children[place].children().is_none() {
                break;
            }
            node = &mut node.children_mut().expect("seen above")[place];
        }
        if let Node::Tree { form, .. } = node {
            *form = [Form::Short, Form::Long, Form::Indefinite][below(random, 3)];
        }
        return;
    }
    let Some(fields) = message.fields_mut() else {
        return;
    };
    let place = below(random, fields.len());
    match below(random, 4) {
        // Version and digest algorithms.
        0 => {
            let place = below(random, 2);
            let mut bytes = fields[place].bytes();
            flip(&mut bytes, usize::MAX, random);
            fields[place] = Node::Raw(bytes);
        }
        1 => {
            let revoked = Node::tree(CONTEXT_1, vec![Node::Raw(pick(&material.certificates, random))]);
            fields.insert(fields.len().saturating_sub(1), revoked);
        }
        2 => fields.insert(place, Node::Raw(element(OCTET_STRING, &[1; 9]))),
        _ => fields.push(Node::Raw(element(SEQUENCE, &[]))),
    }
}

/// Flips one bit of the first `within` bytes.
fn flip(bytes: &mut [u8], within: usize, random: &mut ChaCha8Rng) {
    let length = bytes.len().min(within);
    if length > 0 {
        bytes[below(random, length)] ^= 1 << below(random, 8);
    }
}

fn pick(from: &[Vec<u8>], random: &mut ChaCha8Rng) -> Vec<u8> {
    from.get(below(random, from.len().max(1)))
        .cloned()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::fs;
    use std::path::Path;

    use anyhow::Result;

    use super::Message;
    use super::messages;
    use crate::made_signatures::nesting_signature;
    use crate::made_signatures::nesting_signers;
    use crate::made_signatures::table;

    /// It is the first input of the fuzz target of the same name, too.
    #[test]
    fn what_is_taken_apart_is_a_seed() -> Result<()> {
        let signers = nesting_signers()?;
        let (outer, inner) = nesting_signature(&signers)?;
        let bytes = table(&[outer.clone(), inner.clone()]);
        let found = messages(&bytes);
        let all: Vec<Vec<u8>> = found.iter().flatten().map(Message::bytes).collect();
        assert_eq!(all, [outer, inner.clone(), inner]);
        let certificates: Vec<_> = found.iter().flatten().map(Message::certificates).collect();
        let [first, second] = signers.map(|signer| signer.certificates);
        assert_eq!(certificates, [first, second.clone(), second]);
        if let Some(folder) = env::var_os("GATEHOUSE_CORPUS") {
            let folder = Path::new(&folder).join("unsigned_parts");
            fs::create_dir_all(&folder)?;
            fs::write(folder.join("nesting"), &bytes)?;
        }
        Ok(())
    }
}
