//! A realistic case: a supplier payment with a sealed account number, observed, opened, and reviewed by five people.

use std::{path::Path, sync::Arc};

use countersign::domain::{
    assess::assess,
    case::{Case, Life, RecordedReview},
    entry::{Assurance, Digests, Found, Opened, Reviewed},
    gate,
    ids::{AccountId, Digest, ProposalId, PullNumber, ReviewId, Seq, Sha, TeamName, Timestamp},
    observation::{
        Commit, LiveReview, Observation, Permission, Protection, Pull, PullState, RequiredCheck, ReviewState,
        Seen,
    },
    policy::{Policy, compile},
    proposal::{AgentProof, Attestation, Observed},
    receive::{Arrival, fit},
    request::Request,
    sealed::DataKey,
    source::SourceFile,
    totals::Totals,
};
use serde_json::json;

const FILES: [&str; 5] = [
    "catalog.yaml",
    "tiers.yaml",
    "CODEOWNERS",
    "people.yaml",
    "agents.yaml",
];

/// The files of the small policies.
pub(crate) fn files() -> Vec<SourceFile> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policies");
    let read = |name: &str| SourceFile::new(name, std::fs::read_to_string(folder.join(name)).unwrap());
    FILES.map(read).into()
}

/// The small policies.
pub(crate) fn policy() -> Policy {
    compile(&files()).unwrap()
}

fn at(minutes: i64) -> Timestamp {
    let start: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
    Timestamp::from_millis(start.millis() + minutes * 60_000)
}

/// The case and what is seen of it. Two owners of different teams approved; the sponsor's approval and that of somebody
/// who owns nothing here do not count; one only commented.
pub(crate) fn case(policy: &Policy, random: u128) -> (Case, Observation) {
    let request: Request = serde_json::from_value(json!({
        "operation": "payments.create",
        "sponsor": "carol",
        "parameters": {
            "supplier_id": "ACME",
            "amount": { "minor": 1_250_000, "currency": "EUR" },
            "reference": "invoice 2026-4711",
            "iban": "DE89370400440532013000",
        },
        "nonce": "0123456789abcdef",
        "justification": "Invoice 2026-4711 of ACME Ltd for October is due on Friday; the order and the delivery note match it.",
        "rollback_plan": "Ask ACME for a refund within 30 days.",
        "claimed": { "invoice": "2026-4711", "order": "PO-88123" },
        "provenance": {
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "gen_ai.agent.id": "payments-7",
            "gen_ai.request.model": "some-model",
        },
    }))
    .unwrap();
    let agent = policy.agent(&"payments-agent".parse().unwrap()).unwrap();
    let fitting = fit(request, agent, policy, at(0)).unwrap();
    let observed: Observed = serde_json::from_value(json!({
        "item": "1",
        "at": at(0),
        "facts": {
            "connector": "http",
            "before": { "balance": { "minor": 90_000_000, "currency": "EUR" }, "open_invoices": 3 },
            "affected": { "count": 1, "audience": "ACME Ltd", "deltas": { "balance": -1_250_000 } },
            "precondition": { "etag": "\"33a64df5\"" },
        },
    }))
    .unwrap();
    let salts = vec![([1; 32], [2; 24]); fitting.sealed_values()];
    let arrival = Arrival {
        kept: Default::default(),
        replaced: None,
        id: ProposalId::from_parts(at(0), random),
        proof: AgentProof::GateAttested {
            by: Attestation::Hmac,
        },
        summary: "Pay ACME 12,500.00 EUR, invoice 2026-4711".into(),
        observed: vec![observed],
        key: DataKey::new([7; 32]),
        salts,
    };
    let proposal = Arc::new(fitting.arrive(arrival).unwrap());
    let mut case = Case::received(
        proposal.clone(),
        assess(
            &proposal.matter(),
            &Totals::of(&proposal.matter(), policy),
            policy,
        ),
        policy.digest(),
        Seq(1),
    );
    let (head, base) = (Sha::from_bytes([2; 20]), Sha::from_bytes([1; 20]));
    let (title, body, me) = (Digest::of(b"title"), Digest::of(b"report"), AccountId(9));
    case.life = Life::Open;
    case.opened_at = Some(at(1));
    case.presentation = Some(body);
    case.opened = Some(Opened {
        pull: PullNumber(42),
        head,
        base,
        base_ref: "main".parse().unwrap(),
        branch: proposal.branch().parse().unwrap(),
        title,
        file: Digest::of(b"file"),
    });
    let people = [1001, 1002, 1003, 1004, 1005].map(AccountId);
    let states = [
        ReviewState::Approved,
        ReviewState::Approved,
        ReviewState::Approved,
        ReviewState::Commented,
        ReviewState::Approved,
    ];
    let mut live = Vec::new();
    for ((account, state), number) in people.into_iter().zip(states).zip(1..) {
        let (review, submitted_at) = (
            ReviewId(7_000_000 + number),
            at(9 + i64::try_from(number).unwrap()),
        );
        live.push(LiveReview {
            id: review,
            account: Some(account),
            login: Some("somebody".parse().unwrap()),
            human: true,
            state,
            commit: Some(head),
            submitted_at,
        });
        case.reviews.push(RecordedReview {
            at: submitted_at,
            digests: Digests {
                action: Some(proposal.action_digest()),
                presentation: case.presentation,
                policy: Some(case.policy),
                plan: None,
            },
            review: Reviewed {
                pull: None,
                review,
                account: Some(account),
                login: Some("somebody".parse().unwrap()),
                decision: state,
                head,
                base,
                commit: Some(head),
                submitted_at,
                reason: None,
                found: Found::Event {
                    delivery: "72d3162e-cc78-11e3-81ab-4c9367dc0958".parse().unwrap(),
                },
                requirement: None,
                progress: None,
                assurance: Assurance::GateAttested,
            },
        });
    }
    let accounts = || {
        policy
            .people()
            .flat_map(|person| person.accounts().iter().map(move |one| (person, one.id())))
    };
    let members = |team: &TeamName| {
        let of_team = accounts().filter(|(person, _)| person.teams().contains(team));
        Seen::Known(of_team.map(|(_, id)| id).collect())
    };
    let strong = Protection {
        required_checks: vec![RequiredCheck {
            context: "countersign".into(),
            app: Some(12),
        }],
        force_push_refused: true,
        deletion_refused: true,
        around: None,
    };
    let observation = Observation {
        at: at(30),
        me,
        policy: Seen::Known(policy.digest()),
        pull: Seen::Known(Pull {
            number: PullNumber(42),
            state: PullState::Open,
            draft: false,
            head,
            base_ref: "main".parse().unwrap(),
            base,
            author: Some(me),
            title,
            body,
        }),
        commits: Seen::Known(vec![Commit {
            sha: head,
            parents: vec![base],
            author: Some(me),
            committer: Some(me),
            co_authors: Vec::new(),
        }]),
        pushers: Seen::Known(vec![me]),
        reviews: Seen::Known(live),
        permissions: accounts()
            .map(|(_, id)| (id, Seen::Known(Permission::Write)))
            .collect(),
        memberships: gate::teams(&case, policy)
            .into_iter()
            .map(|team| (team.clone(), members(&team)))
            .collect(),
        protection: Seen::Known(strong.clone()),
        ledger: Seen::Known(strong),
        app: 12,
        freeze: None,
        skew: Seen::Known(0),
    };
    (case, observation)
}

/// One line of input for `policy explain`.
pub(crate) fn line(case: &Case, observation: &Observation) -> String {
    json!({ "case": case, "observation": observation }).to_string()
}

/// What an author would write of such a payment: the same parameters, what was observed, and two approvals.
pub(crate) fn facts(number: u32) -> String {
    json!({
        "operation": "payments.create",
        "agent": "payments-agent",
        "at": "2026-11-22T10:00:00Z",
        "parameters": {
            "supplier_id": "ACME",
            "amount": { "minor": 1_250_000 + number, "currency": "EUR" },
            "reference": format!("invoice 2026-{number}"),
        },
        "observed": [{ "before": { "balance": 100_000_000 }, "affected": { "count": 1 } }],
        "justification": "Invoice of ACME Ltd for October is due on Friday.",
        "reviews": [
            { "by": "alice", "says": "approve", "at": "2026-11-22T10:10:00Z" },
            { "by": "bob", "says": "approve", "at": "2026-11-22T10:20:00Z" },
        ],
    })
    .to_string()
}
