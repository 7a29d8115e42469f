//! From a commit's raw bytes to entries that a key of the ledger signed. Stateless, so that it runs on every core.

use ed25519_dalek::{Signature, VerifyingKey, verify_batch};
use ssh_key::{Algorithm, HashAlg, PublicKey, SshSig};

use super::{
    audit::{Authentic, Finding, Flaw},
    entry::Event,
    ids::KeyId,
    keys::Keys,
};

mod commit;
mod message;

use commit::{Parsed, parse};
use message::read_message;

pub use commit::{Committer, CommitterError, Link, MAX_COMMIT, RawCommit, payload, signed};
pub use message::{Lined, MAX_GROUP, write_message};

/// The namespace that Git signs commits in.
pub const NAMESPACE: &str = "git";

/// Checks a chunk of commits against the ledger's keys: one result a commit, in order. INVARIANT i28.
///
/// Signatures are checked as one batch; when that fails, one by one and strictly (RFC 8032).
pub fn authenticate(chunk: &[RawCommit], keys: &Keys) -> Vec<Result<Vec<Authentic>, Finding>> {
    let read: Vec<Result<Claim<'_>, Flaw>> = chunk.iter().map(|raw| claim(raw, keys)).collect();
    let claims: Vec<&Claim<'_>> = read.iter().flatten().collect();
    let messages: Vec<&[u8]> = claims.iter().map(|claim| claim.signed.as_slice()).collect();
    let signatures: Vec<Signature> = claims.iter().map(|claim| claim.signature).collect();
    let signers: Vec<VerifyingKey> = claims.iter().map(|claim| claim.key).collect();
    let together = verify_batch(&messages, &signatures, &signers).is_ok();
    let results = read.into_iter().zip(chunk);
    results
        .map(|(read, raw)| {
            let entries = read.and_then(|claim| {
                if together || claim.key.verify_strict(&claim.signed, &claim.signature).is_ok() {
                    entries(raw, &claim)
                } else {
                    Err(Flaw::Signature)
                }
            });
            entries.map_err(|flaw| Finding::at(raw.id, flaw))
        })
        .collect()
}

/// Checks the first commit of a ledger, whose entry names the keys; the caller holds that entry's digest. INVARIANT i01.
pub fn authenticate_first(raw: &RawCommit) -> Result<Authentic, Finding> {
    let at = |flaw| Finding::at(raw.id, flaw);
    let parsed = parse(&raw.bytes).map_err(at)?;
    let (lines, _) = read_message(parsed.message).map_err(at)?;
    let [first] = lines.as_slice() else {
        return Err(at(Flaw::Entry("the first commit carries one entry".to_owned())));
    };
    let Event::Genesis(genesis) = &first.entry.event else {
        return Err(at(Flaw::Entry("the first entry is not `genesis`".to_owned())));
    };
    let keys = Keys::of(&genesis.keys).map_err(|error| at(Flaw::Entry(error.to_string())))?;
    let mut all = authenticate(std::slice::from_ref(raw), &keys);
    let mut entries = all.pop().ok_or_else(|| at(Flaw::Empty))??;
    entries.pop().ok_or_else(|| at(Flaw::Empty))
}

/// What a commit says of itself before its signature was checked.
struct Claim<'a> {
    parsed: Parsed<'a>,
    id: &'a KeyId,
    key: VerifyingKey,
    signature: Signature,
    signed: Vec<u8>,
}

fn claim<'a>(raw: &'a RawCommit, keys: &'a Keys) -> Result<Claim<'a>, Flaw> {
    let parsed = parse(&raw.bytes)?;
    let sig = SshSig::from_pem(&parsed.armor).map_err(|_| Flaw::Signature)?;
    let public = sig.public_key().ed25519().ok_or(Flaw::Signature)?;
    let Some(identity) = keys.by_bytes(&public.0) else {
        let fingerprint = PublicKey::from(*public).fingerprint(HashAlg::Sha256).to_string();
        return Err(fingerprint.parse().map_or(Flaw::Signature, Flaw::ForeignKey));
    };
    let hash = sig.hash_alg();
    if sig.version() != SshSig::VERSION
        || sig.namespace() != NAMESPACE
        || !sig.reserved().is_empty()
        || sig.algorithm() != Algorithm::Ed25519
        || !matches!(hash, HashAlg::Sha256 | HashAlg::Sha512)
    {
        return Err(Flaw::Signature);
    }
    let signature = Signature::from_slice(sig.signature_bytes()).map_err(|_| Flaw::Signature)?;
    let signed = SshSig::signed_data(NAMESPACE, hash, &parsed.payload).map_err(|_| Flaw::Signature)?;
    Ok(Claim {
        id: identity.id(),
        key: *identity.key(),
        signature,
        signed,
        parsed,
    })
}

fn entries(raw: &RawCommit, claim: &Claim<'_>) -> Result<Vec<Authentic>, Flaw> {
    let (lines, subject) = read_message(claim.parsed.message)?;
    let last = lines.last().map(|lined| lined.entry.time.seconds());
    if last != Some(claim.parsed.committed_at) {
        return Err(Flaw::Message("date"));
    }
    let authentic = lines.into_iter().map(|lined| {
        if lined.entry.actor.key != *claim.id {
            return Err(Flaw::Message("signature"));
        }
        Ok(Authentic {
            commit: raw.id,
            key: claim.id.clone(),
            digest: lined.digest,
            entry: lined.entry,
            subject: subject.clone(),
        })
    });
    authentic.collect()
}
