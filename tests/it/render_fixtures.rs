//! Proposals and cases for the tests of what people read: the small policies, real requests, fixed times.

use std::{collections::BTreeMap, sync::Arc};

use countersign::{
    domain::{
        assess::{Assessment, assess},
        case::{Case, Life, RecordedReview},
        entry::{Assurance, Digests, Found, Opened, Reviewed},
        gate::{Decision, decide},
        ids::{AccountId, BranchName, Digest, ProposalId, PullNumber, ReviewId, Seq, Sha, Timestamp},
        observation::{
            Commit, LiveReview, Observation, Permission, Protection, Pull, PullState, RequiredCheck,
            ReviewState, Seen,
        },
        policy::{Policy, compile},
        proposal::{Affected, Attestation, Observed, ObservedFacts, Proposal},
        receive::{Arrival, fit, prove},
        request::Request,
        sealed::DataKey,
        source::SourceFile,
        totals::Totals,
    },
    render::{ReportFacts, masked, report, summary_of_items},
};
use serde_json::{Value, json};

pub(crate) const BOT: AccountId = AccountId(9000);

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn now() -> Timestamp {
    at("2026-11-22T09:00:00Z")
}

pub(crate) fn base() -> BranchName {
    "main".parse().unwrap()
}

pub(crate) fn policy() -> Policy {
    policy_with("")
}

/// The small policies, with lines appended to the catalog.
pub(crate) fn policy_with(actions: &str) -> Policy {
    policy_of(actions, None)
}

/// The small policies, with these owners instead.
pub(crate) fn policy_owned_by(owners: &str) -> Policy {
    policy_of("", Some(owners))
}

fn policy_of(actions: &str, owners: Option<&str>) -> Policy {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/policies");
    let files: Vec<SourceFile> = [
        "catalog.yaml",
        "tiers.yaml",
        "CODEOWNERS",
        "people.yaml",
        "agents.yaml",
    ]
    .iter()
    .map(|name| {
        let mut text = std::fs::read_to_string(format!("{root}/{name}")).unwrap();
        if *name == "catalog.yaml" {
            text.push_str(actions);
        }
        if *name == "agents.yaml" && actions.contains("attack.all") {
            text = text.replace("actions: [crm.note]", "actions: [crm.note, attack.all]");
        }
        if *name == "CODEOWNERS" && actions.contains("attack.all") {
            text.push_str("\n/attack/ @acme/marketing\n");
        }
        if let (Some(owners), "CODEOWNERS") = (owners, *name) {
            owners.clone_into(&mut text);
        }
        SourceFile::new(*name, text)
    })
    .collect();
    compile(&files).unwrap()
}

/// A request as an agent sends it, what the bot saw for each item, and the proposal they make.
pub(crate) fn propose(
    policy: &Policy,
    agent: &str,
    request: Value,
    observed: Vec<(&str, ObservedFacts)>,
) -> Proposal {
    let mut request = request;
    let fields = request.as_object_mut().unwrap();
    fields.entry("nonce").or_insert(json!("nonce-0123456789"));
    let agent = policy.agent(&agent.parse().unwrap()).unwrap();
    fields.entry("sponsor").or_insert(json!(agent.sponsor()));
    let request: Request = serde_json::from_value(request).unwrap();
    let proof = prove(&request, agent, Attestation::Hmac).unwrap().proof;
    let fitting = fit(request, agent, policy, now()).unwrap();
    let shown: Vec<Value> = fitting
        .items()
        .iter()
        .map(|item| masked(fitting.action(), &item.parameters))
        .collect();
    let summary = summary_of_items(fitting.action(), &shown).unwrap();
    let observed = observed
        .into_iter()
        .map(|(item, facts)| Observed {
            item: item.parse().unwrap(),
            at: now(),
            facts,
        })
        .collect();
    let salts = (0..fitting.sealed_values())
        .map(|n| {
            (
                [u8::try_from(n % 250).unwrap(); 32],
                [u8::try_from(n % 250).unwrap(); 24],
            )
        })
        .collect();
    fitting
        .arrive(Arrival {
            kept: Default::default(),
            replaced: None,
            id: ProposalId::from_parts(now(), 42),
            proof,
            summary,
            observed,
            key: DataKey::new([7; 32]),
            salts,
        })
        .unwrap()
}

pub(crate) fn facts(before: Value, after: Option<Value>, affected: Affected) -> ObservedFacts {
    ObservedFacts {
        connector: "http".into(),
        before,
        after,
        affected,
        precondition: None,
    }
}

pub(crate) fn note(policy: &Policy) -> Proposal {
    propose(
        policy,
        "support-agent",
        json!({
            "operation": "crm.note",
            "parameters": {"customer_id": "C-1042", "text": "Called back; the invoice was paid twice, refund promised."},
            "justification": "The customer asked to have the call on record.",
            "provenance": {"gen_ai.request.model": "example-model-2", "gen_ai.conversation.id": "conv-81"},
        }),
        vec![],
    )
}

pub(crate) fn campaign(policy: &Policy) -> Proposal {
    let affected = Affected {
        count: Some(4_200),
        audience: Some("contacts who opted in to offers".into()),
        deltas: BTreeMap::new(),
        sample: vec![
            json!({"name": "Ada Li", "city": "Lyon"}),
            json!({"name": "Tom Ek", "city": "Oslo"}),
        ],
    };
    propose(
        policy,
        "campaign-agent",
        json!({
            "operation": "campaigns.send",
            "parameters": {
                "segment_id": "spring-leads",
                "subject": "Spring offer: 20% off",
                "body": "Hello {{name}},\n\nuntil Sunday everything is 20% off:\nhttps://acme.example/spring\n\nYours, Acme",
            },
            "claimed": {"expected_open_rate_percent": 31, "reviewed_by": "the brand team"},
            "justification": "The spring campaign is planned for this week. The segment was cleaned on Friday, and everybody in it opted in to offers.",
            "rollback_plan": "Send a correction to the same segment.",
        }),
        vec![(
            "1",
            facts(
                json!({"name": "Spring leads", "size": 4200, "last_sent": null}),
                None,
                affected,
            ),
        )],
    )
}

pub(crate) fn payment(policy: &Policy) -> Proposal {
    let affected = Affected {
        audience: Some("ACME Ltd".into()),
        deltas: BTreeMap::from([("balance_cents".into(), json!(-1_250_000))]),
        ..Affected::default()
    };
    propose(
        policy,
        "payments-agent",
        json!({
            "operation": "payments.create",
            "parameters": {
                "supplier_id": "acme-ltd",
                "amount": {"minor": 1_250_000, "currency": "EUR"},
                "reference": "INV-2041",
                "iban": "DE89370400440532013000",
            },
            "justification": "Invoice INV-2041 is due on 30 November; the goods arrived complete on 14 November.",
            "rollback_plan": "Ask the bank for a recall within ten days.",
            "provenance": {
                "gen_ai.request.model": "example-model-2",
                "gen_ai.tool.call.id": "call_77",
                "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            },
        }),
        vec![(
            "1",
            facts(
                json!({"amount": {"minor": 8_400_000, "currency": "EUR"}, "limit": {"minor": 5_000_000, "currency": "EUR"}}),
                Some(
                    json!({"amount": {"minor": 7_150_000, "currency": "EUR"}, "limit": {"minor": 5_000_000, "currency": "EUR"}}),
                ),
                affected,
            ),
        )],
    )
}

pub(crate) fn batch(policy: &Policy) -> Proposal {
    let items: Vec<Value> = (1..=12)
        .map(|n| {
            json!({"id": n.to_string(), "parameters": {
                "supplier_id": format!("supplier-{n:02}"),
                "amount": {"minor": 10_000 * n, "currency": "EUR"},
                "reference": format!("November fees {n}"),
            }})
        })
        .collect();
    propose(
        policy,
        "payments-agent",
        json!({
            "operation": "payments.create",
            "items": items,
            "justification": "The monthly fees of all twelve suppliers.",
        }),
        vec![],
    )
}

pub(crate) fn report_of(policy: &Policy, proposal: &Proposal) -> String {
    report(&ReportFacts {
        proposal,
        assessment: &assessment(policy, proposal),
        policy,
        base: &base(),
        replaces: None,
        taken_back: None,
    })
    .unwrap()
}

pub(crate) fn assessment(policy: &Policy, proposal: &Proposal) -> Assessment {
    assess(
        &proposal.matter(),
        &Totals::of(&proposal.matter(), policy),
        policy,
    )
}

pub(crate) fn sha(byte: u8) -> Sha {
    Sha::from_bytes([byte; 20])
}

/// An open case whose pull request shows what it should.
pub(crate) fn open_case(policy: &Policy, proposal: Proposal) -> Case {
    let assessment = assess(
        &proposal.matter(),
        &Totals::of(&proposal.matter(), policy),
        policy,
    );
    let body = report_of(policy, &proposal);
    let branch = proposal.branch().parse().unwrap();
    let mut case = Case::received(Arc::new(proposal), assessment, policy.digest(), Seq(1));
    case.life = Life::Open;
    case.opened_at = Some(now());
    case.presentation = Some(Digest::of(body.as_bytes()));
    case.opened = Some(Opened {
        pull: PullNumber(7),
        head: sha(2),
        base: sha(1),
        base_ref: base(),
        branch,
        title: Digest::of(b"title"),
        file: Digest::of(b"file"),
    });
    case
}

/// What GitHub shows for it while nothing went wrong.
pub(crate) fn observation(case: &Case) -> Observation {
    let opened = case.opened.as_ref().unwrap();
    let strong = Protection {
        required_checks: vec![RequiredCheck {
            context: "countersign".into(),
            app: Some(12),
        }],
        force_push_refused: true,
        deletion_refused: true,
        around: None,
    };
    Observation {
        at: at("2026-11-22T10:00:00Z"),
        me: BOT,
        policy: Seen::Known(case.policy),
        pull: Seen::Known(Pull {
            number: opened.pull,
            state: PullState::Open,
            draft: false,
            head: opened.head,
            base_ref: base(),
            base: opened.base,
            author: Some(BOT),
            title: opened.title,
            body: case.presentation.unwrap(),
        }),
        commits: Seen::Known(vec![Commit {
            sha: opened.head,
            parents: vec![opened.base],
            author: Some(BOT),
            committer: Some(BOT),
            co_authors: vec![],
        }]),
        pushers: Seen::Known(vec![BOT]),
        reviews: Seen::Known(vec![]),
        permissions: (1001..=1005)
            .chain([1103])
            .map(|id| (AccountId(id), Seen::Known(Permission::Write)))
            .collect(),
        memberships: [
            ("finance", vec![1001, 1003]),
            ("treasury", vec![1002]),
            ("marketing", vec![1004, 1005]),
        ]
        .into_iter()
        .map(|(team, ids)| {
            (
                team.parse().unwrap(),
                Seen::Known(ids.into_iter().map(AccountId).collect()),
            )
        })
        .collect(),
        protection: Seen::Known(strong.clone()),
        ledger: Seen::Known(strong),
        app: 12,
        freeze: None,
        skew: Seen::Known(0),
    }
}

/// A review that was recorded when it was given and is still live.
pub(crate) fn review(case: &mut Case, seen: &mut Observation, account: u64, state: ReviewState) {
    let opened = case.opened.clone().unwrap();
    let id = ReviewId(100 + account);
    let submitted_at = at("2026-11-22T09:30:00Z");
    case.reviews.push(RecordedReview {
        at: submitted_at,
        digests: Digests {
            action: Some(case.proposal.action_digest()),
            presentation: case.presentation,
            policy: Some(case.policy),
            plan: None,
        },
        review: Reviewed {
            pull: None,
            review: id,
            account: Some(AccountId(account)),
            login: None,
            decision: state,
            head: opened.head,
            base: opened.base,
            commit: Some(opened.head),
            submitted_at,
            reason: None,
            found: Found::Event {
                delivery: "d-1".parse().unwrap(),
            },
            requirement: None,
            progress: None,
            assurance: Assurance::GateAttested,
        },
    });
    let Seen::Known(reviews) = &mut seen.reviews else {
        panic!("reviews are known");
    };
    reviews.push(LiveReview {
        id,
        account: Some(AccountId(account)),
        login: None,
        human: true,
        state,
        commit: Some(opened.head),
        submitted_at,
    });
}

pub(crate) fn decided(case: &Case, seen: &Observation, policy: &Policy) -> Decision {
    decide(case, seen, policy)
}
