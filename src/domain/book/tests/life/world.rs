//! What lives are made of: rules, people, proposals, and what GitHub shows of them.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::{
    super::*,
    model::{BUDGET, Plain, RATE, Weather},
};
use crate::domain::{
    fixture::{ALICE, APP, BOB, CAROL, CAROL_ON_CALL, DAVE, ERIN, Files, ME, live, strong},
    gate,
    observation::{
        Commit, LiveReview, Observation, Permission, Protection, Pull, PullState, ReviewState, Seen,
    },
    proposal::{Observed, ObservedFacts},
    receive::{Arrival, fit},
    request::Request,
    sealed::DataKey,
    warrant::Merge,
};

/// Somebody with an account.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) account: AccountId,
    pub(super) name: &'static str,
    pub(super) team: &'static str,
}

const fn person(account: AccountId, name: &'static str, team: &'static str) -> Person {
    Person { account, name, team }
}

/// Everybody, and somebody whom the rules don't know.
pub(super) static PEOPLE: [Person; 7] = [
    person(ALICE, "alice", "finance"),
    person(BOB, "bob", "treasury"),
    person(CAROL, "carol", "finance"),
    person(CAROL_ON_CALL, "carol", "finance"),
    person(DAVE, "dave", "marketing"),
    person(ERIN, "erin", "marketing"),
    person(AccountId(77), "nobody", "none"),
];

/// A head that somebody else pushed.
const FOREIGN: Sha = Sha::from_bytes([9; 20]);

/// What an agent asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Note,
    Mail {
        items: u8,
    },
    Pay {
        agent: &'static str,
        supplier: &'static str,
        minor: i64,
    },
    Thaw {
        freeze: u64,
    },
}

impl What {
    pub(super) const fn action(&self) -> &'static str {
        match self {
            Self::Note => "crm.note",
            Self::Mail { .. } => "campaigns.send",
            Self::Pay { .. } => "payments.create",
            Self::Thaw { .. } => "executions.thaw",
        }
    }
    pub(super) const fn agent(&self) -> &'static str {
        match self {
            Self::Note | Self::Mail { .. } => "campaign-agent",
            Self::Pay { agent, .. } => agent,
            Self::Thaw { .. } => "payments-agent",
        }
    }
    pub(super) fn sponsor(&self) -> &'static str {
        if self.agent() == "payments-agent" {
            "carol"
        } else {
            "erin"
        }
    }
    pub(super) const fn tier(&self) -> &'static str {
        match self {
            Self::Note => "low",
            Self::Mail { .. } => "medium",
            Self::Pay { .. } | Self::Thaw { .. } => "high",
        }
    }
    pub(super) const fn items(&self) -> u8 {
        if let Self::Mail { items } = self {
            *items
        } else {
            1
        }
    }

    fn parameters(&self, item: u8) -> Value {
        match self {
            Self::Note => json!({"customer_id": "C-1", "text": "called back"}),
            Self::Mail { .. } => {
                json!({"segment_id": format!("s{item}"), "subject": "Hello", "body": "Dear all"})
            }
            Self::Pay { supplier, minor, .. } => {
                json!({"supplier_id": supplier, "amount": {"minor": minor, "currency": "EUR"}, "reference": "4711"})
            }
            Self::Thaw { freeze } => json!({"freeze": freeze, "reason": "the bank works again"}),
        }
    }

    /// The request for it.
    pub(super) fn request(&self, key: u64, nonce: u64, replaces: Option<ProposalId>) -> Request {
        let mut request = fixture::request(self.action(), self.sponsor(), Value::Null);
        request.parameters = None;
        let item = |item: u8| RequestItem {
            id: item.to_string().parse().unwrap(),
            parameters: self.parameters(item),
        };
        request.items = (1..=self.items()).map(item).collect();
        request.idempotency_key = Some(format!("key-0123456789-{key}").parse().unwrap());
        request.nonce = format!("nonce-0123456789-{nonce}").parse().unwrap();
        request.supersedes = replaces;
        request
    }
}

const THAW: &str = r#"  executions.thaw:
    summary: Let executions go on after a freeze
    resource: /executions/freezes/{freeze}
    impact: high
    data: [internal]
    rollback: { kind: none }
    raci: { responsible: payments-agent, accountable: finance }
    params:
      type: object
      required: [freeze, reason]
      properties:
        freeze: { type: integer, minimum: 1 }
        reason: { type: string, maxLength: 400 }
    describe: "End freeze {{ params.freeze }}"
    execute:
      thaw: { freeze: "${params.freeze}" }
"#;

/// The rules of `tests/policies/` with limits on payments, which two agents may propose, and with thawing.
pub(super) fn rules() -> &'static Policy {
    static RULES: LazyLock<Policy> = LazyLock::new(|| {
        let mut files = Files::default();
        let ((rate, most), (budget, amount)) = (RATE, BUDGET);
        let limits = format!(
            "    limits:\n      - {{ rate: {most}, per: {rate}m, by: [params.supplier_id] }}\n      - {{ budget: params.amount.minor, max: {amount}, \
             currency: EUR, per: {budget}m, by: [params.supplier_id] }}\n"
        );
        let place = files.catalog.rfind("    checks: [text]").unwrap();
        files.catalog.insert_str(place, &limits);
        files.catalog.push_str(THAW);
        let (pays, thaws) = (
            "actions: [payments.create]",
            "actions: [payments.create, executions.thaw]",
        );
        files.agents = files.agents.replace(pays, thaws).replacen(
            "actions: [crm.note]",
            "actions: [crm.note, payments.create]",
            1,
        );
        files
            .owners
            .push_str("/executions/ @acme/finance @acme/treasury\n");
        files.policy()
    });
    &RULES
}

pub(super) fn id_of(number: u64) -> ProposalId {
    ProposalId::from_parts(at(0), u128::from(number))
}

/// A proposal as the gate makes it of a request.
pub(super) fn propose(number: u64, what: &What, request: Request, proof: AgentProof, now: i64) -> Proposal {
    let agent = rules().agent(&what.agent().parse().unwrap()).unwrap();
    let fitting = fit(request, agent, rules(), at(now)).unwrap();
    let facts = || ObservedFacts {
        connector: "http".into(),
        before: json!({}),
        after: None,
        affected: Default::default(),
        precondition: None,
    };
    let seen = |item: &crate::domain::receive::ClearItem| Observed {
        item: item.id.clone(),
        at: at(now),
        facts: facts(),
    };
    let observed = fitting.items().iter().map(seen).collect();
    let arrival = Arrival {
        replaced: None,
        kept: Default::default(),
        id: id_of(number),
        proof,
        summary: format!("the {number}th"),
        observed,
        key: DataKey::new([7; 32]),
        salts: Vec::new(),
    };
    fitting.arrive(arrival).unwrap()
}

fn state(says: &str) -> ReviewState {
    match says {
        "approved" => ReviewState::Approved,
        "changes_requested" => ReviewState::ChangesRequested,
        "commented" => ReviewState::Commented,
        "dismissed" => ReviewState::Dismissed,
        _ => ReviewState::Edited,
    }
}

/// A review as its event tells of it.
pub(super) fn told(vote: &super::model::Vote) -> Event {
    let mut review = fixture::told(None, vote.id, vote.who.account, state(vote.says), vote.at);
    if !vote.on_our_head {
        (review.head, review.commit) = (FOREIGN, Some(FOREIGN));
    }
    Event::Reviewed(review)
}

fn pull(case: &Case, plain: &Plain) -> Pull {
    let text = if plain.foreign_text { "another" } else { "report" };
    let state = match plain.merged {
        Some((minute, by)) => PullState::Merged {
            at: at(minute),
            by: Some(by.map_or(ME, |by| by.account)),
            sha: Some(MERGE),
        },
        None if plain.closed => PullState::Closed,
        None => PullState::Open,
    };
    Pull {
        number: case.opened.as_ref().map_or(PullNumber(1), |opened| opened.pull),
        state,
        draft: false,
        head: if plain.foreign_head { FOREIGN } else { HEAD },
        base_ref: "main".parse().unwrap(),
        base: BASE,
        author: Some(ME),
        title: Digest::of(b"title"),
        body: Digest::of(text.as_bytes()),
    }
}

/// What is seen of a case now.
pub(super) fn observe(
    case: &Case,
    plain: &Plain,
    weather: Weather,
    now: i64,
    freeze: Option<Seq>,
) -> Observation {
    let review = |vote: &super::model::Vote| LiveReview {
        commit: Some(if vote.on_our_head { HEAD } else { FOREIGN }),
        ..live(vote.id, vote.who.account, state(vote.says), vote.at)
    };
    let strangers_rules = Digest::of(b"other rules");
    let members = |team: &crate::domain::ids::TeamName| {
        let theirs = PEOPLE.iter().filter(|one| one.team == team.as_str());
        Seen::Known(theirs.map(|one| one.account).collect())
    };
    let protection = Protection {
        force_push_refused: weather.protected,
        ..strong()
    };
    Observation {
        at: at(now),
        me: ME,
        policy: Seen::Known(if weather.same_rules {
            rules().digest()
        } else {
            strangers_rules
        }),
        pull: Seen::Known(pull(case, plain)),
        commits: Seen::Known(vec![Commit {
            sha: HEAD,
            parents: vec![BASE],
            author: Some(ME),
            committer: Some(ME),
            co_authors: Vec::new(),
        }]),
        pushers: Seen::Known(vec![ME]),
        reviews: Seen::Known(plain.votes.iter().map(review).collect()),
        permissions: PEOPLE
            .iter()
            .map(|one| (one.account, Seen::Known(Permission::Write)))
            .collect(),
        memberships: gate::teams(case, rules())
            .into_iter()
            .map(|team| (team.clone(), members(&team)))
            .collect(),
        protection: Seen::Known(protection),
        ledger: Seen::Known(strong()),
        app: APP,
        freeze,
        skew: if weather.clock_right {
            Seen::Known(0)
        } else {
            Seen::unknown("timeout")
        },
    }
}

/// The merge as Git shows it.
pub(super) fn merge(case: &Case, plain: &Plain) -> Merge {
    let directory = case.proposal.directory();
    let (minute, by) = plain.merged.unwrap();
    Merge {
        sha: MERGE,
        parents: vec![BASE, HEAD],
        reachable: true,
        changed: crate::domain::proposal::FILES
            .map(|file| format!("{directory}/{file}"))
            .into(),
        file: Digest::of(b"file"),
        presentation: Digest::of(b"report"),
        policy_before: rules().digest(),
        policy_after: rules().digest(),
        proposal: case.proposal.as_ref().clone(),
        at: at(minute),
        by: Some(by.map_or(ME, |by| by.account)),
    }
}

/// The public key of a role.
pub(super) fn key_of(role: Role) -> (String, KeyId) {
    let seed = if role == Role::Gate { 1 } else { 2 };
    let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
    let public = ssh_key::public::Ed25519PublicKey(key.verifying_key().to_bytes());
    let text = ssh_key::PublicKey::from(public).to_openssh().unwrap();
    let id = crate::domain::keys::SigningIdentity::read(&text)
        .unwrap()
        .id()
        .clone();
    (text, id)
}

/// How the ledger of these lives begins: two roles, each with its key.
pub(super) fn beginning() -> (Entry, Digest) {
    let genesis = Genesis {
        repository: "acme/approvals".parse().unwrap(),
        base: "main".parse().unwrap(),
        ledger: "ledger".parse().unwrap(),
        policy: rules().digest(),
        keys: [Role::Gate, Role::Executor]
            .map(|role| first_key(role, key_of(role).0))
            .into(),
        nonce: Digest::of(b"nonce"),
    };
    genesis_entry(genesis, key_of(Role::Gate).1, at(0)).unwrap()
}
