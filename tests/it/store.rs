//! What a machine keeps, and what is left of it after a crash.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

use countersign::{
    domain::{
        assess::assess,
        canonical::Salt,
        entry::{Draft, Finished, Outcome, Received, Unknown, Via},
        ids::{Nonce, ProposalId, Timestamp},
        sealed::DataKey,
        totals::Totals,
    },
    store::{ClaimError, Ended, NonceError, Store, StoreError},
};
use serde_json::json;

use super::execute::{now, planned, policy, propose};

async fn arrived() -> (Received, Draft) {
    let policy = policy("method: POST\nurl: https://a.example/do", None);
    let proposal = propose(&policy, &[json!({"name": "x"})]).await;
    let started = planned(&policy, &proposal).started("me".parse().unwrap(), now());
    let assessment = assess(
        &proposal.matter(),
        &Totals::of(&proposal.matter(), &policy),
        &policy,
    );
    (
        Received {
            proposal: Box::new(proposal),
            assessment,
            via: Via::Api,
        },
        started,
    )
}

fn id(n: u128) -> ProposalId {
    ProposalId::from_parts(now(), n)
}

fn modes(path: &Path) -> Vec<(String, u32)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        found.push((
            path.display().to_string(),
            path.metadata().unwrap().permissions().mode() & 0o777,
        ));
        if path.is_dir() {
            found.extend(modes(&path));
        }
    }
    found
}

#[tokio::test]
async fn i16_a_claim_is_given_once_whatever_happens_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let (received, started) = arrived().await;
    let store = Store::open(directory.path()).unwrap();
    let claim = store.outbox().claim(&received, &started).unwrap();
    assert_eq!(Some(claim.row().plan), started.digests.plan);
    assert!(matches!(
        store.outbox().claim(&received, &started),
        Err(ClaimError::Already(_))
    ));
    drop(store);

    // A process that died in mid-call left no end: whoever comes next learns that it is unknown.
    let store = Store::open(directory.path()).unwrap();
    assert!(matches!(
        store.outbox().claim(&received, &started),
        Err(ClaimError::Already(_))
    ));
    let rows = store.outbox().rows().unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].received(), rows[0].digests(), rows[0].at()),
        (&received, &started.digests, now())
    );
    assert_eq!(rows[0].ended(), None);

    let end = Ended::Unknown(Unknown {
        instance: "me".parse().unwrap(),
        reason: "it stopped".into(),
        steps: Vec::new(),
    });
    store.outbox().finish(rows[0].name(), &end).unwrap();
    let other = Ended::Finished(Finished {
        instance: "me".parse().unwrap(),
        outcome: Outcome::Executed,
        steps: Vec::new(),
    });
    store.outbox().finish(rows[0].name(), &other).unwrap();
    assert_eq!(
        store.outbox().rows().unwrap()[0].ended(),
        Some(&end),
        "the first word stands"
    );

    store.outbox().recorded(rows[0].name()).unwrap();
    store.outbox().recorded(rows[0].name()).unwrap();
    assert!(store.outbox().rows().unwrap().is_empty());
}

#[tokio::test]
async fn i16_of_many_who_claim_at_once_one_wins() {
    let directory = tempfile::tempdir().unwrap();
    let (received, started) = arrived().await;
    let store = Store::open(directory.path()).unwrap();
    let won = std::thread::scope(|scope| {
        let claims: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| store.outbox().claim(&received, &started).is_ok()))
            .collect();
        claims
            .into_iter()
            .map(|claim| claim.join().unwrap())
            .filter(|won| *won)
            .count()
    });
    assert_eq!(won, 1);
}

/// Run as a child by the test below: claims, says so, and dies without a farewell.
#[tokio::test]
async fn claims_and_is_killed() {
    let Ok(directory) = std::env::var("COUNTERSIGN_TEST_STORE") else {
        return;
    };
    let (received, started) = arrived().await;
    let store = Store::open(Path::new(&directory)).unwrap();
    store.outbox().claim(&received, &started).unwrap();
    store.keys().keep(id(1), &DataKey::new([7; 32])).unwrap();
    let (agent, nonce) = ("robot".parse().unwrap(), "0123456789abcdef".parse().unwrap());
    store.nonces().admit(&agent, &nonce, now(), now()).unwrap();
    std::process::abort();
}

#[tokio::test]
async fn i16_what_was_promised_outlasts_the_process_that_was_killed() {
    let directory = tempfile::tempdir().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::claims_and_is_killed", "--nocapture"])
        .env("COUNTERSIGN_TEST_STORE", directory.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success());
    let store = Store::open(directory.path()).unwrap();
    let (received, started) = arrived().await;
    assert!(matches!(
        store.outbox().claim(&received, &started),
        Err(ClaimError::Already(_))
    ));
    assert_eq!(store.outbox().rows().unwrap().len(), 1);
    assert_eq!(store.keys().get(id(1)).unwrap().unwrap().expose(), &[7; 32]);
    let (agent, nonce) = ("robot".parse().unwrap(), "0123456789abcdef".parse().unwrap());
    assert!(matches!(
        store.nonces().admit(&agent, &nonce, now(), now()),
        Err(NonceError::Used(_))
    ));
}

#[tokio::test]
async fn a_half_written_file_is_never_believed() {
    let directory = tempfile::tempdir().unwrap();
    let (received, started) = arrived().await;
    let outbox = directory.path().join("outbox");
    drop(Store::open(directory.path()).unwrap());
    fs::write(outbox.join("abc.row.0000000000000001.unfinished"), "{\"at").unwrap();
    let store = Store::open(directory.path()).unwrap();
    assert!(store.outbox().rows().unwrap().is_empty());
    let name = store.outbox().claim(&received, &started).unwrap().name();
    let file = outbox.join(format!("{}.row", hex::encode(name.as_bytes())));
    fs::write(&file, "{\"at").unwrap();
    let error = store.outbox().rows().unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(
        matches!(
            store.outbox().claim(&received, &started),
            Err(ClaimError::Already(_))
        ),
        "damaged is not free"
    );
}

#[test]
fn one_process_has_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let error = Store::open(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::Locked(_)), "{error}");
    assert!(error.to_string().contains("is held by another process"));
    drop(store);
    assert!(Store::open(directory.path()).is_ok());
}

#[tokio::test]
async fn only_the_owner_can_read_what_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("data");
    fs::create_dir(&place).unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
    let store = Store::open(&place).unwrap();
    let (received, started) = arrived().await;
    store.outbox().claim(&received, &started).unwrap();
    store.keys().keep(id(1), &DataKey::new([7; 32])).unwrap();
    store
        .results()
        .keep(id(1), &"..".parse().unwrap(), &Salt::new([1; 32]), b"{}")
        .unwrap();
    let (agent, nonce) = ("robot".parse().unwrap(), "0123456789abcdef".parse().unwrap());
    store.nonces().admit(&agent, &nonce, now(), now()).unwrap();
    for (path, mode) in modes(directory.path()) {
        let expected = if Path::new(&path).is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{path}");
    }
}

#[test]
fn i29_a_key_is_kept_once_and_can_be_destroyed() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let keys = store.keys();
    assert!(keys.keep(id(1), &DataKey::new([7; 32])).unwrap());
    assert!(
        !keys.keep(id(1), &DataKey::new([8; 32])).unwrap(),
        "a key is never replaced"
    );
    assert!(keys.keep(id(2), &DataKey::new([9; 32])).unwrap());
    assert_eq!(keys.get(id(1)).unwrap().unwrap().expose(), &[7; 32]);
    assert!(keys.erase(id(1)).unwrap());
    assert!(!keys.erase(id(1)).unwrap());
    assert!(keys.get(id(1)).unwrap().is_none());
    assert_eq!(keys.get(id(2)).unwrap().unwrap().expose(), &[9; 32]);
}

#[test]
fn answers_are_kept_by_item_with_their_salts_and_can_be_destroyed() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let results = store.results();
    for (item, n) in [("1", 1), ("a", 2), ("A", 3), ("..", 4)] {
        let body = [n, 0, 255];
        results
            .keep(id(1), &item.parse().unwrap(), &Salt::new([n; 32]), &body)
            .unwrap();
    }
    let kept = results.get(id(1), &"A".parse().unwrap()).unwrap().unwrap();
    assert_eq!(
        (kept.salt().expose(), kept.body()),
        (&[3; 32], [3, 0, 255].as_slice())
    );
    assert_eq!(format!("{kept:?}"), "Kept(..)");
    assert!(results.get(id(2), &"A".parse().unwrap()).unwrap().is_none());
    assert!(results.erase(id(1)).unwrap());
    assert!(results.get(id(1), &"..".parse().unwrap()).unwrap().is_none());
    assert!(!results.erase(id(1)).unwrap());
}

#[test]
fn i24_a_nonce_is_let_in_once_and_only_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let agent = "robot".parse().unwrap();
    let nonce = |n: usize| format!("nonce-number-{n:06}").parse::<Nonce>().unwrap();
    let at = |seconds: i64| Timestamp::from_millis(now().millis() + seconds * 1000);
    let store = Store::open(directory.path()).unwrap();
    store.nonces().admit(&agent, &nonce(1), at(0), at(0)).unwrap();
    assert!(matches!(
        store.nonces().admit(&agent, &nonce(1), at(0), at(1)),
        Err(NonceError::Used(_))
    ));
    assert!(
        matches!(
            store.nonces().admit(&agent, &nonce(1), at(250), at(1)),
            Err(NonceError::Used(_))
        ),
        "signed again"
    );
    store
        .nonces()
        .admit(&"other".parse().unwrap(), &nonce(1), at(0), at(1))
        .unwrap();
    for (signed, came) in [(0, 301), (301, 0), (-400, 0)] {
        let error = store
            .nonces()
            .admit(&agent, &nonce(2), at(signed), at(came))
            .unwrap_err();
        assert!(matches!(error, NonceError::Skew { .. }), "{error}");
    }
    drop(store);
    let store = Store::open(directory.path()).unwrap();
    assert!(
        matches!(
            store.nonces().admit(&agent, &nonce(1), at(0), at(300)),
            Err(NonceError::Used(_))
        ),
        "after a restart"
    );
    drop(store);

    // A power cut in the middle of a line: the line was never let in, and the next one is not glued to it.
    let log = directory.path().join("nonces/seen");
    let mut text = fs::read_to_string(&log).unwrap();
    text.push_str("robot nonce-num");
    fs::write(&log, text).unwrap();
    let store = Store::open(directory.path()).unwrap();
    store.nonces().admit(&agent, &nonce(3), at(10), at(10)).unwrap();
    drop(store);
    let store = Store::open(directory.path()).unwrap();
    for seen in [1, 3] {
        assert!(matches!(
            store.nonces().admit(&agent, &nonce(seen), at(10), at(10)),
            Err(NonceError::Used(_))
        ));
    }
}
