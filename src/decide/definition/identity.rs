//! How objects and operations are named.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use super::parts::typed;
use crate::api::http::{Field, FieldType};

/// The inputs that together are an object's id.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// By name, in the order in which they stand in the id.
    pub inputs: Vec<(String, FieldType)>,
}

impl Identity {
    pub(super) fn of(names: &[String], fields: &[Field]) -> Self {
        let type_of = |name: &str| fields.iter().find(|field| field.name == name).map(|field| field.type_);
        Self {
            inputs: names
                .iter()
                .map(|name| (name.clone(), type_of(name).unwrap_or_default()))
                .collect(),
        }
    }

    /// The id of the object that these inputs name. The error is a sentence.
    pub fn id(&self, inputs: &BTreeMap<String, String>) -> Result<String, String> {
        let mut parts = Vec::new();
        for (name, type_) in &self.inputs {
            let text = inputs.get(name).ok_or_else(|| format!("the input {name} is missing"))?;
            // One spelling of a number, so that no object has two ids.
            let value = typed(text, *type_).map_err(|why| format!("the input {name} {why}"))?;
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if text.is_empty() {
                return Err(format!("the input {name} is empty"));
            }
            parts.push(text);
        }
        Ok(join_id(&parts))
    }

    /// The inputs that an id was made of; `None` where it was made of others.
    pub fn inputs(&self, id: &str) -> Option<BTreeMap<String, Json>> {
        let parts = split_id(id)?;
        (parts.len() == self.inputs.len()).then_some(())?;
        let named = self.inputs.iter().zip(parts);
        named
            .map(|((name, type_), text)| Some((name.clone(), typed(&text, *type_).ok()?)))
            .collect()
    }
}

/// Texts as one: each percent-encoded, with `/` between them.
pub fn join_id(parts: &[String]) -> String {
    let encoded: Vec<String> = parts.iter().map(|part| encode(part)).collect();
    encoded.join("/")
}

/// The texts that [`join_id`] joined; `None` where it cannot have.
pub fn split_id(id: &str) -> Option<Vec<String>> {
    id.split('/').map(decode).collect()
}

/// Letters, digits, `-`, `.`, `_`, `~`, `@` and `:` as they are, so that ids stay readable.
fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@:".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// An operation's id as a UUID (version 8, RFC 9562 section 5.8), for APIs that take no other key.
pub fn operation_uuid(operation_id: &str) -> String {
    let hash = Sha256::new()
        .chain_update(b"operation ")
        .chain_update(operation_id)
        .finalize();
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&hash[..16]);
    bytes[6] = 0x80 | (bytes[6] & 0x0F);
    bytes[8] = 0x80 | (bytes[8] & 0x3F);
    let hex = data_encoding::HEXLOWER.encode(&bytes);
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_made_of_its_inputs_and_gives_them_back() {
        let identity = Identity {
            inputs: vec![
                ("vhost".to_owned(), FieldType::String),
                ("level".to_owned(), FieldType::Integer),
            ],
        };
        let inputs = |vhost: &str, level: &str| {
            BTreeMap::from([
                ("vhost".to_owned(), vhost.to_owned()),
                ("level".to_owned(), level.to_owned()),
            ])
        };
        for (vhost, level, id) in [
            ("/", "7", "%2F/7"),
            ("a b/ü%", "-1", "a%20b%2F%C3%BC%25/-1"),
            ("ada@x.io", "007", "ada@x.io/7"),
        ] {
            assert_eq!(identity.id(&inputs(vhost, level)).unwrap(), id);
            let back = identity.inputs(id).unwrap();
            assert_eq!(back["vhost"], vhost);
            assert_eq!(back["level"], level.parse::<i64>().unwrap());
        }
        assert_eq!(identity.id(&inputs("", "7")).unwrap_err(), "the input vhost is empty");
        assert_eq!(
            identity.id(&inputs("a", "x")).unwrap_err(),
            "the input level must be a whole number"
        );
        for foreign in ["a", "a/b/c", "a/x", "%zz/1", "%/1"] {
            assert_eq!(identity.inputs(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn an_operation_has_one_uuid() {
        let uuid = operation_uuid("abc");
        assert_eq!(uuid, operation_uuid("abc"));
        assert_ne!(uuid, operation_uuid("abd"));
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "8");
        assert!("89ab".contains(&uuid[19..20]));
    }
}
