//! What takes what ran back, and that nothing else does.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::{
    assess::assess,
    book::Illegal,
    entry::{Outcome, Said, StepResult},
    fixture::*,
    observation::{Permission, Seen},
    proposal::{Attestation, Observed, ObservedFacts},
    receive::{Arrival, ProofError, check_proof, fit, fit_rollback},
    totals::Totals,
};

const RECALL: &str = r#"actions:
  payments.recall:
    summary: Call a payment back
    system: bank
    resource: /payments/suppliers/{supplier_id}
    impact: moderate
    data: [financial]
    rollback: { kind: none }
    raci: { responsible: payments-agent, accountable: finance }
    params:
      type: object
      required: [payment, supplier_id, amount]
      properties:
        payment: { type: string }
        supplier_id: { type: string }
        balance: { type: integer }
        amount: { type: object, required: [minor, currency], properties: { minor: { type: integer }, currency: { type: string } } }
        why: { type: string, default: recalled }
        note: { type: string }
        iban: { type: string }
    describe: "Recall {{ params.amount | money }}"
    sensitive: [params.iban, params.note]
    execute: { http: { method: POST, url: https://bank.example/recalls } }
"#;
const WITH: &str = r#"payment: "${run.key}", supplier_id: "${params.supplier_id}", amount: "${params.amount}", iban: "${params.iban}", balance: "${before.balance}", note: called back"#;

/// Rules by which a payment is called back with these parameters.
fn rules(with: &str) -> Files {
    let rollback =
        format!("rollback: {{ kind: inverse, action: payments.recall, within: 30d, with: {{ {with} }} }}");
    Files {
        catalog: CATALOG.replacen("actions:\n", RECALL, 1).replacen(
            "rollback: { kind: inverse, within: 30d }",
            &rollback,
            1,
        ),
        ..Files::default()
    }
}

fn paid(policy: &Policy, parameters: Value) -> Proposal {
    let proof = AgentProof::GateAttested {
        by: Attestation::Hmac,
    };
    let request = request("payments.create", "carol", parameters);
    propose(request, "payments-agent", policy, proof)
}

fn sealed_payment() -> Value {
    let mut parameters = payment();
    parameters["iban"] = json!("DE89370400440532013000");
    parameters
}

fn ended(of: &Proposal) -> Ended<'static> {
    Ended {
        life: Life::Executed,
        action: of.action_digest(),
        ran_at: Some(at(50)),
        not_run: None,
        undo: None,
    }
}

/// The key that the fixture seals with.
fn key() -> DataKey {
    DataKey::new([7; 32])
}

/// What takes a proposal back, as the gate makes it for dave.
fn undo(old: &Proposal, ended: &Ended<'_>, policy: &Policy) -> Result<Proposal, NotRolledBack> {
    let rollable = Rollable::of(old, ended, policy, at(60))?;
    let nonce = "rollback-0123456789".parse().unwrap();
    let request = rollable.request("paid twice", nonce, Some(&key()))?;
    let kept = rollable.kept(Some(&key()))?;
    let agent = policy.agent(&old.binding.agent).unwrap();
    let fitting = fit_rollback(request, agent, policy, at(60)).unwrap();
    let arrival = Arrival {
        id: ProposalId::from_parts(at(60), 8),
        proof: rollable.proof(&"dave".parse().unwrap(), DAVE, CommentId(5)),
        summary: "Recall".into(),
        observed: Vec::new(),
        key: DataKey::new([8; 32]),
        replaced: None,
        kept,
        salts: (0..fitting.sealed_values())
            .map(|n| ([n as u8 + 100; 32], [n as u8 + 100; 24]))
            .collect(),
    };
    Ok(fitting.arrive(arrival).unwrap())
}

/// The entry of a proposal that was asked for by a comment of dave's.
fn received(new: &Proposal, policy: &Policy) -> Received {
    let totals = Totals::of(&new.matter(), policy);
    Received {
        proposal: std::sync::Arc::new(new.clone()),
        assessment: assess(&new.matter(), &totals, policy),
        via: Via::Rollback(Said {
            account: DAVE,
            comment: CommentId(5),
            below: PullNumber(42),
            at: at(59),
            delivery: "d-5".parse().unwrap(),
        }),
    }
}

/// A proposal with its written form changed.
fn but(new: &Proposal, change: impl FnOnce(&mut Value)) -> Proposal {
    let mut written = serde_json::to_value(new).unwrap();
    change(&mut written);
    serde_json::from_value(written).unwrap()
}

#[test]
fn i04_what_takes_a_payment_back_is_made_of_what_ran_and_the_catalog() {
    let policy = rules(WITH).policy();
    let old = paid(&policy, sealed_payment());
    let new = undo(&old, &ended(&old), &policy).unwrap();
    let given = &new.binding.items[0].parameters;
    assert_eq!(given["payment"], json!(format!("{}/1", old.id)));
    assert_eq!(
        (&given["supplier_id"], &given["balance"], &given["why"]),
        (&json!("ACME"), &json!(100), &json!("recalled"))
    );
    // Sealed in both, under keys of their own, with one commitment; what is new there is sealed too.
    assert_eq!(given["iban"], old.binding.items[0].parameters["iban"]);
    let iban = new.sealed.iter().find(|one| one.pointer() == "/iban").unwrap();
    assert_eq!(
        iban.open(new.id, &DataKey::new([8; 32])).unwrap(),
        json!("DE89370400440532013000")
    );
    assert!(given["note"].get("$sealed").is_some(), "{given:#}");
    assert_eq!(new.binding.rolls_back, Some(old.id));
    assert_eq!(
        (&new.binding.agent, &new.binding.sponsor),
        (&old.binding.agent, &old.binding.sponsor)
    );
    let own = DataKey::new([8; 32]);
    assert_eq!(check_proof(&new, &policy, Some(&own)), Ok(()));
    let no = |new: &Proposal, policy: &Policy| check_proof(new, policy, Some(&own)).unwrap_err();
    let differs = ProofError::NoUndo(NoUndo::Differs("what an item is given"));
    for change in [
        |parameters: &mut Value| parameters["amount"]["minor"] = json!(1),
        |parameters: &mut Value| parameters["payment"] = json!("x"),
        |parameters: &mut Value| parameters["balance"] = json!(101),
        |parameters: &mut Value| parameters["why"] = json!("because"),
        |parameters: &mut Value| drop(parameters.as_object_mut().unwrap().remove("balance")),
    ] {
        let forged = but(&new, |new| change(&mut new["binding"]["items"][0]["parameters"]));
        assert_eq!(no(&forged, &policy), differs);
    }
    // Passed off as somebody who is nobody, or as what was given before the catalog said otherwise.
    let nobody = but(&new, |new| new["proof"]["rolled_back"]["by"] = json!("alice"));
    assert_eq!(no(&nobody, &policy), ProofError::NoUndo(NoUndo::Nobody));
    let agents = but(&new, |new| {
        new["proof"]["rolled_back"]["account"] = json!(2003);
    });
    assert_eq!(no(&agents, &policy), ProofError::NoUndo(NoUndo::Nobody));
    let otherwise = rules(&WITH.replace("called back", "recalled")).policy();
    assert_eq!(no(&new, &otherwise), differs);
    assert_eq!(
        no(&new, &starter()),
        ProofError::NoUndo(NoUndo::ByHand("payments.create".parse().unwrap()))
    );
    assert!(check_proof(&new, &policy, None).is_err(), "what is new is opened");
}

#[test]
fn the_window_is_counted_from_when_it_had_ended() {
    let policy = rules(WITH).policy();
    let old = paid(&policy, payment());
    let may = |ran_at| {
        let ended = Ended {
            ran_at: Some(ran_at),
            ..ended(&old)
        };
        undo(&old, &ended, &policy).map(drop)
    };
    let month = 30 * 86_400_000;
    assert_eq!(may(later(at(60), -month)), Ok(()));
    let late = may(later(at(60), -month - 1));
    assert_eq!(
        late,
        Err(NoUndo::Late {
            until: later(at(60), -1)
        }
        .into())
    );
}

#[test]
fn i14_only_what_ran_is_taken_back_and_once() {
    let policy = rules(WITH).policy();
    let old = paid(&policy, payment());
    for life in Life::ALL
        .into_iter()
        .filter(|life| !matches!(life, Life::Executed | Life::Partial))
    {
        let ended = Ended { life, ..ended(&old) };
        let no = undo(&old, &ended, &policy).unwrap_err();
        assert_eq!(no, NotRolledBack::NotRun { id: old.id, life });
    }
    for life in Life::ALL {
        let by = ProposalId::from_parts(at(55), 3);
        let undone = Undo { by, life, pull: None };
        let ended = Ended {
            undo: Some(undone),
            ..ended(&old)
        };
        let again = undo(&old, &ended, &policy).map(drop);
        if life.ended() && !life.ran() {
            assert_eq!(again, Ok(()), "{life}");
        } else {
            assert_eq!(again, Err(NotRolledBack::Already { by, life }));
        }
    }
}

#[test]
fn i04_the_ledger_holds_only_what_takes_back_what_it_says_ran() {
    let policy = rules(WITH).policy();
    let old = paid(&policy, sealed_payment());
    let new = undo(&old, &ended(&old), &policy).unwrap();
    let dave = "dave".parse().unwrap();
    let whole = received(&new, &policy);
    let takes = |received: &Received, ended| admissible(received, ended, Some(&dave));
    assert_eq!(takes(&whole, Some(ended(&old))), Ok(()));
    assert_eq!(takes(&whole, None), Err(NotRolledBack::Unheard(old.id)));
    assert_eq!(
        admissible(&whole, Some(ended(&old)), None),
        Err(NotRolledBack::Nobody)
    );
    let bob = "bob".parse().unwrap();
    assert_eq!(
        admissible(&whole, Some(ended(&old)), Some(&bob)),
        Err(NotRolledBack::Nobody)
    );
    let api = Received {
        via: Via::Api,
        ..whole.clone()
    };
    assert_eq!(takes(&api, Some(ended(&old))), Err(NotRolledBack::Nobody));
    let own = Received {
        proposal: std::sync::Arc::new(old.clone()),
        ..whole.clone()
    };
    assert_eq!(takes(&own, Some(ended(&old))), Err(NotRolledBack::Nobody));
    let mut low = whole.clone();
    low.assessment.tier = Tier::Low;
    assert_eq!(takes(&low, Some(ended(&old))), Err(NotRolledBack::Low));
    let other = |change: &dyn Fn(&mut Value)| {
        let forged = but(&new, change);
        let forged = Received {
            proposal: std::sync::Arc::new(forged),
            ..whole.clone()
        };
        takes(&forged, Some(ended(&old)))
    };
    let differs = |what| Err(NotRolledBack::Differs(what));
    let rolled = |new: &mut Value| new["proof"]["rolled_back"].take();
    let with = |change: &dyn Fn(&mut Value)| {
        other(&|new| {
            let mut proof = rolled(new);
            change(&mut proof);
            new["proof"]["rolled_back"] = proof;
        })
    };
    assert_eq!(
        with(&|proof| proof["binding"]["items"][0]["parameters"]["reference"] = json!("other")),
        differs("what is said to have run")
    );
    assert_eq!(
        with(&|proof| proof["ran_at"] = json!(at(55))),
        differs("when it is said to have run")
    );
    assert_eq!(
        with(&|proof| proof["observed"][0]["facts"]["before"]["balance"] = json!(5)),
        differs("what is said to have been found")
    );
    assert_eq!(
        other(&|new| new["binding"]["sponsor"] = json!("bob")),
        differs("its agent or sponsor")
    );
    assert_eq!(
        other(&|new| new["supersedes"] = json!(old.id)),
        differs("what it replaces")
    );
    assert_eq!(
        with(&|proof| proof["comment"] = json!(6)),
        Err(NotRolledBack::Nobody)
    );
    // Another one than the binding names is no proposal at all.
    let mut written = serde_json::to_value(&new).unwrap();
    written["binding"]["rolls_back"] = json!(ProposalId::from_parts(at(1), 1));
    assert!(serde_json::from_value::<Proposal>(written).is_err());
}

#[test]
fn of_a_batch_only_the_items_that_ran_are_taken_back() {
    let policy = rules(WITH).policy();
    let mut request = request("payments.create", "carol", Value::Null);
    request.parameters = None;
    request.items = (1..4)
        .map(|n| RequestItem {
            id: n.to_string().parse().unwrap(),
            parameters: payment(),
        })
        .collect();
    let proof = AgentProof::GateAttested {
        by: Attestation::Hmac,
    };
    let old = propose(request, "payments-agent", &policy, proof);
    let not_run = BTreeSet::from(["2".parse().unwrap()]);
    let ended = Ended {
        life: Life::Partial,
        not_run: Some(&not_run),
        ..ended(&old)
    };
    let new = undo(&old, &ended, &policy).unwrap();
    let ids = |new: &Proposal| -> Vec<String> {
        new.binding.items.iter().map(|item| item.id.to_string()).collect()
    };
    assert_eq!(ids(&new), ["1", "3"]);
    let dave = "dave".parse().unwrap();
    assert_eq!(
        admissible(&received(&new, &policy), Some(ended), Some(&dave)),
        Ok(())
    );
    let all = Ended {
        not_run: None,
        ..ended
    };
    assert_eq!(
        admissible(&received(&new, &policy), Some(all), Some(&dave)),
        Err(NotRolledBack::Differs("which of its items ran"))
    );
}

#[test]
fn an_item_ran_when_every_step_of_it_did_and_none_was_taken_back() {
    let mut story = Story::high();
    let result = |undo, outcome| StepResult {
        item: "1".parse().unwrap(),
        step: None,
        undo,
        outcome,
        status: None,
        request: Digest::of(b"x"),
        response: None,
        note: None,
    };
    for (took, ran) in [
        (vec![], false),
        (vec![result(false, Outcome::Executed)], true),
        (
            vec![result(false, Outcome::Executed), result(false, Outcome::Refused)],
            false,
        ),
        (
            vec![result(false, Outcome::Executed), result(true, Outcome::Executed)],
            false,
        ),
    ] {
        story.case.life = Life::Partial;
        story.case.took = took.clone();
        assert_eq!(story.case.not_run().is_empty(), ran, "{took:?}");
    }
}

#[test]
fn i09_whoever_may_write_asks_and_no_agent() {
    let story = Story::high();
    let may = |seen: &Observation, account| may_ask(&story.policy, seen, account);
    assert_eq!(may(&story.seen, DAVE), Ok(()));
    assert_eq!(may(&story.seen, AccountId(2003)), Err(NotRolledBack::Agent));
    assert_eq!(may(&story.seen, AccountId(77)), Err(NotRolledBack::Nobody));
    let mut reader = story.seen.clone();
    reader.permissions.insert(DAVE, Seen::Known(Permission::Read));
    assert_eq!(may(&reader, DAVE), Err(NotRolledBack::NotAWriter));
    reader.permissions.clear();
    assert_eq!(may(&reader, DAVE), Err(NotRolledBack::Unread));
}

#[test]
fn what_is_missing_is_named() {
    let policy = rules(&format!("{WITH}, why: \"${{before.reason}}\"")).policy();
    let old = paid(&policy, payment());
    let no = undo(&old, &ended(&old), &policy).unwrap_err();
    assert_eq!(
        no.to_string(),
        "item `1`: `reason` was not found before it ran, and taking it back needs that; ask its agent to propose that"
    );
    let old = paid(&rules(WITH).policy(), sealed_payment());
    let policy = rules(WITH).policy();
    let ended = ended(&old);
    let rollable = Rollable::of(&old, &ended, &policy, at(60)).unwrap();
    let nonce = || "rollback-0123456789".parse().unwrap();
    assert_eq!(
        rollable.request("x", nonce(), None).err(),
        Some(NoUndo::Sealed),
        "its key is destroyed"
    );
}

#[test]
fn an_agent_can_not_ask_for_what_only_a_person_may() {
    let policy = rules(WITH).policy();
    let old = paid(&policy, payment());
    let ended = ended(&old);
    let rollable = Rollable::of(&old, &ended, &policy, at(60)).unwrap();
    let nonce = "rollback-0123456789".parse().unwrap();
    let request = rollable.request("x", nonce, None).unwrap();
    let agent = policy.agent(&old.binding.agent).unwrap();
    let errors = fit(request, agent, &policy, at(60)).unwrap_err();
    assert_eq!(errors[0].field, "/operation", "{errors:?}");
}

#[test]
fn a_wish_says_why_and_may_name_the_proposal() {
    let id = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let wish = |text: &str| asked(text).unwrap().unwrap();
    assert_eq!(
        wish("  /rollback paid twice\nmore"),
        Wish {
            proposal: None,
            reason: "paid twice".into()
        }
    );
    assert_eq!(
        wish(&format!("/rollback {id} paid twice")),
        Wish {
            proposal: Some(id.parse().unwrap()),
            reason: "paid twice".into()
        }
    );
    for text in ["/rollback", &format!("/rollback {id}"), "/rollback \u{202e}x"] {
        assert!(asked(text).unwrap().is_err(), "{text}");
    }
    for text in ["", "please /rollback it", "/rollbacks it", "/ROLLBACK it"] {
        assert_eq!(asked(text), None, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever was approved, what the gate makes is what the executor makes; and nothing else passes.
    #[test]
    fn i04_gate_and_executor_make_the_same(
        supplier in "[A-Za-z0-9-]{1,20}",
        minor in 1_i64..1_000_000,
        reference in "[a-z ${}.]{1,40}",
        iban in proptest::option::of("[A-Z]{2}[0-9]{2}[A-Z0-9]{10,20}"),
        other in 1_i64..1_000_000,
    ) {
        let policy = rules(WITH).policy();
        let mut parameters = json!({
            "supplier_id": supplier, "amount": { "minor": minor, "currency": "EUR" }, "reference": reference,
        });
        if let Some(iban) = iban {
            parameters["iban"] = json!(iban);
        }
        let old = paid(&policy, parameters);
        let new = undo(&old, &ended(&old), &policy).unwrap();
        let own = DataKey::new([8; 32]);
        prop_assert_eq!(check_proof(&new, &policy, Some(&own)), Ok(()));
        let forged = but(&new, |new| new["binding"]["items"][0]["parameters"]["amount"]["minor"] = json!(other));
        prop_assert_eq!(check_proof(&forged, &policy, Some(&own)).is_ok(), other == minor);
    }
}

/// Facts of another item than any that ran.
#[test]
fn facts_of_no_item_are_no_facts() {
    let policy = rules(WITH).policy();
    let old = paid(&policy, payment());
    let mut new = undo(&old, &ended(&old), &policy).unwrap();
    let stray = Observed {
        item: "9".parse().unwrap(),
        at: at(0),
        facts: ObservedFacts {
            connector: "http".into(),
            before: json!({ "balance": 1 }),
            after: None,
            affected: Default::default(),
            precondition: None,
        },
    };
    new = but(&new, |new| {
        let seen = new["proof"]["rolled_back"]["observed"].as_array_mut().unwrap();
        seen.push(serde_json::to_value(&stray).unwrap());
    });
    let dave = "dave".parse().unwrap();
    let no = admissible(&received(&new, &policy), Some(ended(&old)), Some(&dave)).unwrap_err();
    assert_eq!(
        Illegal::from(no).to_string(),
        "what is said to have been found is not what the ledger says of it"
    );
}
