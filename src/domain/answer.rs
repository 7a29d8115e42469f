//! What became of one step, with all that its target answered, as it is kept for the agent: sealed with the proposal's
//! key, so that it goes when the key does. INVARIANT i29.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    canonical::Salt,
    entry::StepResult,
    ids::{Digest, ProposalId},
    sealed::{DataKey, SealError},
};

/// What a target answered. The record holds [`Answer::commitment`] of it, and nothing else.
#[derive(Clone)]
pub struct Answer {
    salt: Salt,
    content_type: Option<String>,
    body: Zeroizing<Vec<u8>>,
}

impl Answer {
    /// An answer's bytes as they came, with a salt that the caller drew.
    pub fn new(salt: Salt, content_type: Option<String>, body: Vec<u8>) -> Self {
        Self {
            salt,
            content_type,
            body: Zeroizing::new(body),
        }
    }
    /// The salt of its commitment.
    pub const fn salt(&self) -> &Salt {
        &self.salt
    }
    /// What the target said that it is.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }
    /// The bytes.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
    /// `sha256(salt || body)`.
    pub fn commitment(&self) -> Digest {
        let mut bytes = Zeroizing::new(self.salt.expose().to_vec());
        bytes.extend_from_slice(&self.body);
        Digest::of(&bytes)
    }
}
impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answer(..)")
    }
}

/// A step's result, and the answer to it where there was one.
#[derive(Debug)]
pub struct StepAnswer {
    /// As the record holds it.
    pub result: StepResult,
    /// What the target answered.
    pub answer: Option<Answer>,
}

/// What stands in front of the body, in one line of JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Front {
    result: StepResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    salt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
}

impl StepAnswer {
    /// The step among its proposal's, as the store names it.
    pub fn place(&self) -> String {
        let StepResult { item, step, undo, .. } = &self.result;
        let step = step.as_ref().map_or_else(String::new, |step| format!("/{step}"));
        format!("{item}{step}{}", if *undo { "/undo" } else { "" })
    }

    /// Seals it, as base64; the caller draws the 192-bit nonce at random.
    pub fn seal(&self, proposal: ProposalId, key: &DataKey, nonce: [u8; 24]) -> Result<String, SealError> {
        let place = self.place();
        let no = || SealError::Seal(place.clone());
        let answer = self.answer.as_ref();
        let front = Front {
            result: self.result.clone(),
            salt: answer.map(|answer| hex::encode(answer.salt.expose())),
            content_type: answer.and_then(|answer| answer.content_type.clone()),
        };
        let mut plain = Zeroizing::new(serde_json::to_vec(&front).map_err(|_| no())?);
        plain.push(b'\n');
        plain.extend_from_slice(answer.map_or(&[], Answer::body));
        let sealed = key.encrypt(&associated_data(proposal, &place), &nonce, &plain);
        let mut bytes = nonce.to_vec();
        bytes.extend(sealed.ok_or_else(no)?);
        Ok(BASE64.encode(bytes))
    }

    /// Opens what was sealed for a place.
    pub fn open(sealed: &str, proposal: ProposalId, place: &str, key: &DataKey) -> Result<Self, SealError> {
        let no = || SealError::Open(place.to_owned());
        let bytes = BASE64.decode(sealed).map_err(|_| no())?;
        let (nonce, sealed) = bytes.split_first_chunk::<24>().ok_or_else(no)?;
        let plain = key.decrypt(&associated_data(proposal, place), nonce, sealed);
        let plain = plain.ok_or_else(no)?;
        let end = plain.iter().position(|byte| *byte == b'\n').ok_or_else(no)?;
        let (front, body) = plain.split_at_checked(end).ok_or_else(no)?;
        let front: Front = serde_json::from_slice(front).map_err(|_| no())?;
        let body = body.strip_prefix(b"\n").ok_or_else(no)?;
        let answer = match front.salt {
            None => None,
            Some(digits) => {
                let mut salt = Zeroizing::new([0; 32]);
                hex::decode_to_slice(digits, &mut *salt).map_err(|_| no())?;
                Some(Answer::new(Salt::new(*salt), front.content_type, body.to_vec()))
            }
        };
        Ok(Self {
            result: front.result,
            answer,
        })
    }
}

fn associated_data(proposal: ProposalId, place: &str) -> String {
    format!("countersign answer v1\n{proposal}\n{place}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entry::Outcome;

    fn id(n: u128) -> ProposalId {
        ProposalId::from_parts("2026-01-01T00:00:00Z".parse().unwrap(), n)
    }

    fn answered(body: Option<&[u8]>) -> StepAnswer {
        StepAnswer {
            result: StepResult {
                item: "1".parse().unwrap(),
                step: None,
                undo: false,
                outcome: Outcome::Executed,
                status: Some(201),
                request: Digest::of(b"request"),
                response: None,
                note: Some("201 Created".into()),
            },
            answer: body
                .map(|body| Answer::new(Salt::new([4; 32]), Some("text/plain".into()), body.to_vec())),
        }
    }

    #[test]
    fn i29_an_answer_opens_only_with_its_key_in_its_place() {
        let key = DataKey::new([9; 32]);
        for body in [
            &b"account DE89370400440532013000"[..],
            b"",
            b"\n\n{\"a\":1}\n\0\xff",
        ] {
            let kept = answered(Some(body));
            let sealed = kept.seal(id(7), &key, [5; 24]).unwrap();
            assert!(!sealed.contains("DE89"));
            let open = StepAnswer::open(&sealed, id(7), "1", &key).unwrap();
            let answer = open.answer.unwrap();
            assert_eq!(answer.body(), body);
            assert_eq!(answer.content_type(), Some("text/plain"));
            assert_eq!(answer.commitment(), kept.answer.unwrap().commitment());
            assert_eq!(open.result, kept.result);
            assert!(StepAnswer::open(&sealed, id(8), "1", &key).is_err());
            assert!(StepAnswer::open(&sealed, id(7), "2", &key).is_err());
            assert!(StepAnswer::open(&sealed, id(7), "1", &DataKey::new([8; 32])).is_err());
            assert!(StepAnswer::open(sealed.get(4..).unwrap(), id(7), "1", &key).is_err());
        }
        let nothing = answered(None).seal(id(7), &key, [5; 24]).unwrap();
        assert!(
            StepAnswer::open(&nothing, id(7), "1", &key)
                .unwrap()
                .answer
                .is_none()
        );
    }
}
