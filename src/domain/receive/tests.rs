//! From a signed request to a proposal, and back to what the agent signed.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::{
    fixture::*,
    proposal::ProposalParts,
    sealed::{SealedAt, placeholder_of},
};

fn signed(parameters: Value) -> Request {
    let mut request = request("payments.create", "carol", parameters);
    request.sign(&agent_key()).unwrap();
    request
}

fn proposed(parameters: Value, policy: &Policy) -> Proposal {
    proposed_and_proved(parameters, policy).0
}

/// The same, with the agent's signature as it was checked when the request came.
fn proposed_and_proved(parameters: Value, policy: &Policy) -> (Proposal, Option<Checked>) {
    let request = signed(parameters);
    let agent = policy.agent(&"payments-agent".parse().unwrap()).unwrap();
    let Proved { proof, signature } = prove(&request, agent, Attestation::Hmac).unwrap();
    (propose(request, "payments-agent", policy, proof), signature)
}

fn with_iban() -> Value {
    let mut parameters = payment();
    parameters["iban"] = json!("DE89370400440532013000");
    parameters
}

fn key() -> DataKey {
    DataKey::new([7; 32])
}

#[test]
fn i04_the_signature_holds_after_defaults_and_sealing() {
    let policy = signing_policy();
    let proposal = proposed(with_iban(), &policy);
    assert_eq!(proposal.binding.items[0].parameters["urgency"], "normal");
    assert!(placeholder_of(&proposal.binding.items[0].parameters["iban"]).is_some());
    assert_eq!(check_proof(&proposal, &policy, Some(&key())), Ok(()));
    // Through the record and back.
    let read: Proposal = serde_json::from_str(&serde_json::to_string(&proposal).unwrap()).unwrap();
    assert_eq!(check_proof(&read, &policy, Some(&key())), Ok(()));
    // Without its key, sealed values can't be checked.
    assert!(check_proof(&proposal, &policy, None).is_err());
    assert!(check_proof(&proposal, &policy, Some(&DataKey::new([8; 32]))).is_err());
}

#[test]
fn i04_any_change_to_what_was_signed_breaks_it() {
    let policy = signing_policy();
    let changes: [fn(&mut ProposalParts); 8] = [
        |p| p.binding.items[0].parameters["amount"]["minor"] = json!(1),
        |p| p.binding.items[0].parameters["supplier_id"] = json!("BETA"),
        |p| p.binding.items[0].id = "2".parse().unwrap(),
        |p| p.binding.sponsor = "dave".parse().unwrap(),
        |p| p.binding.operation = "crm.note".parse().unwrap(),
        |p| p.nonce = "fedcba9876543210".parse().unwrap(),
        |p| p.asked_expiry = Some(at(1)),
        |p| p.binding.agent = "campaign-agent".parse().unwrap(),
    ];
    for (change, number) in changes.into_iter().zip(1..) {
        let (asked, known) = proposed_and_proved(payment(), &policy);
        let known = known.as_ref();
        assert_eq!(check_proof_knowing(known, &asked, &policy, Some(&key())), Ok(()));
        let mut parts: ProposalParts = asked.into();
        parts.observed.clear();
        parts.binding.items[0].observed_digest = None;
        change(&mut parts);
        let Ok(proposal) = Proposal::new(parts) else {
            continue;
        };
        // Not even for who knows that the agent signed something.
        for known in [None, known] {
            let refused = check_proof_knowing(known, &proposal, &policy, Some(&key()));
            assert!(refused.is_err(), "change {number}");
        }
    }
}

#[test]
fn i04_a_signature_that_holds_is_no_other_one() {
    let policy = signing_policy();
    let (asked, known) = proposed_and_proved(payment(), &policy);
    let mut parts: ProposalParts = asked.into();
    let AgentProof::Ed25519 { signature, .. } = &mut parts.proof else {
        panic!("signed");
    };
    let mut raw = BASE64.decode(&*signature).unwrap();
    raw[40] ^= 1;
    *signature = BASE64.encode(raw);
    let forged = Proposal::new(parts).unwrap();
    let refused = check_proof_knowing(known.as_ref(), &forged, &policy, Some(&key()));
    assert_eq!(refused, Err(ProofError::Request(RequestError::Invalid)));
}

#[test]
fn i04_a_gate_can_not_pass_off_a_parameter_as_a_default() {
    let policy = signing_policy();
    let mut parts: ProposalParts = proposed(payment(), &policy).into();
    // What the agent never sent, named as filled in, would be taken out before the signature is checked.
    parts.binding.items[0].parameters["iban"] = json!("DE02120300000000202051");
    parts
        .defaulted
        .entry("1".parse().unwrap())
        .or_default()
        .push("/iban".into());
    let forged = Proposal::new(parts).unwrap();
    let refused = check_proof(&forged, &policy, Some(&key()));
    assert_eq!(refused, Err(ProofError::Defaults("1".parse().unwrap())));
    // Nor give a default another value.
    let mut parts: ProposalParts = proposed(payment(), &policy).into();
    parts.binding.items[0].parameters["urgency"] = json!("now");
    let forged = Proposal::new(parts).unwrap();
    assert!(check_proof(&forged, &policy, Some(&key())).is_err());
}

#[test]
fn i04_an_agent_with_a_key_must_use_it() {
    let policy = signing_policy();
    let agent = policy.agent(&"payments-agent".parse().unwrap()).unwrap();
    let unsigned = request("payments.create", "carol", payment());
    assert!(prove(&unsigned, agent, Attestation::Hmac).is_err());
    let mut parts: ProposalParts = proposed(payment(), &policy).into();
    parts.proof = AgentProof::GateAttested {
        by: Attestation::Hmac,
    };
    assert!(check_proof(&Proposal::new(parts).unwrap(), &policy, None).is_err());
}

fn refused(parameters: Value, change: impl FnOnce(&mut Request)) -> Vec<String> {
    let policy = signing_policy();
    let mut request = signed(payment());
    request.parameters = Some(parameters);
    change(&mut request);
    let agent = policy.agent(&"payments-agent".parse().unwrap()).unwrap();
    let errors = fit(request, agent, &policy, at(0)).err().unwrap_or_default();
    errors.into_iter().map(|error| error.field).collect()
}

#[test]
fn what_does_not_fit_is_named() {
    assert_eq!(refused(payment(), |_| {}), [""; 0]);
    let mut float = payment();
    float["amount"]["minor"] = json!(1_250_000.0);
    assert!(refused(float, |_| {}).contains(&"/parameters/amount/minor".to_owned()));
    let mut sealed = payment();
    sealed["iban"] = json!({"$sealed": format!("sha256:{}", "0".repeat(64))});
    assert!(refused(sealed, |_| {}).contains(&"/parameters".to_owned()));
    assert_eq!(
        refused(payment(), |r| r.sponsor = "alice".parse().unwrap()),
        ["/sponsor"]
    );
    assert_eq!(
        refused(payment(), |r| r.operation = "crm.note".parse().unwrap())[0],
        "/operation"
    );
    assert_eq!(
        refused(payment(), |r| r.expires_at = Some(at(0))),
        ["/expires_at"]
    );
    assert_eq!(
        refused(payment(), |r| r.justification = " \n".into()),
        ["/justification"]
    );
    let mut path = payment();
    path["supplier_id"] = json!("../x");
    assert!(!refused(path, |_| {}).is_empty());
}

#[test]
fn i15_a_window_that_opens_after_the_last_approval_is_refused() {
    assert_eq!(
        refused(payment(), |r| r.not_before = Some(at(60 * 24 * 365))),
        ["/not_before"]
    );
    assert_eq!(
        refused(payment(), |r| (r.not_before, r.expires_at) =
            (Some(at(30)), Some(at(30)))),
        ["/not_before"]
    );
    assert_eq!(
        refused(payment(), |r| (r.not_before, r.expires_at) =
            (Some(at(29)), Some(at(30)))),
        [""; 0]
    );
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,5}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn i29_what_is_sealed_opens_to_itself_in_its_place_only(
        clear in value(), bytes in any::<[u8; 32]>(), salt in any::<[u8; 32]>(), nonce in any::<[u8; 24]>(),
        other in any::<[u8; 32]>(), pointer in "/[a-z]{1,8}",
    ) {
        let id = ProposalId::from_parts(at(0), 7);
        let place = SealedAt { proposal: id, item: "1".parse().unwrap(), pointer };
        let key = DataKey::new(bytes);
        let sealed = Sealed::seal(&place, &clear, &key, &Salt::new(salt), nonce).unwrap();
        let read: Sealed = serde_json::from_str(&serde_json::to_string(&sealed).unwrap()).unwrap();
        prop_assert_eq!(read.open(id, &key).unwrap(), clear);
        prop_assert!(sealed.open(ProposalId::from_parts(at(0), 8), &key).is_err());
        prop_assume!(other != bytes);
        prop_assert!(sealed.open(id, &DataKey::new(other)).is_err());
    }

    #[test]
    fn i04_a_signature_holds_for_its_request_and_no_other(minor in 1..1_000_000_u32, flip in 0..88_usize) {
        let mut parameters = payment();
        parameters["amount"]["minor"] = minor.into();
        let request = signed(parameters);
        let policy = signing_policy();
        let agent = policy.agent(&"payments-agent".parse().unwrap()).unwrap();
        prop_assert!(prove(&request, agent, Attestation::Hmac).is_ok());
        let mut other = request.clone();
        other.parameters.as_mut().unwrap()["amount"]["minor"] = (minor + 1).into();
        prop_assert!(prove(&other, agent, Attestation::Hmac).is_err());
        let mut other = request;
        let text = other.signature.take().unwrap();
        let changed: String = text.chars().enumerate().map(|(i, c)| if i == flip { if c == 'A' { 'B' } else { 'A' } } else { c }).collect();
        other.signature = Some(changed);
        prop_assert!(prove(&other, agent, Attestation::Hmac).is_err());
    }
}
