//! Writing: group commits, races, refusals, lost answers, and a ledger that was rolled back.

use countersign::{
    domain::{case::Life, policy::Tier},
    ledger::{AppendError, Ledger, LedgerError},
};

use super::world::{Story, World, at};

#[tokio::test]
async fn a_life_is_recorded_and_folded_again() {
    let world = World::new();
    let ledger = world.open("one").await;
    let story = Story::new(1, Tier::Medium);
    let recorded = ledger.append(story.all()).await.unwrap();
    assert_eq!(recorded.len(), 6);
    assert_eq!(
        recorded.iter().map(|r| r.entry().seq.0).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5, 6]
    );
    ledger.close().await;
    let again = world.open("two").await;
    assert_eq!(again.findings(), []);
    assert_eq!(again.head_commit(), recorded[5].commit());
    again.read(|book| {
        assert_eq!(book.size(), 7);
        assert_eq!(book.head(), recorded[5].digest());
        assert_eq!(book.closed(story.proposal.id).unwrap().life, Life::Executed);
    });
}

#[tokio::test]
async fn a_proposal_is_read_as_it_was_received_however_long_ago_it_ended() {
    let world = World::new();
    let ledger = world.open("one").await;
    let stories: Vec<Story> = (1..300).map(|n| Story::new(n, Tier::Low)).collect();
    for some in stories.chunks(50) {
        ledger
            .append(some.iter().flat_map(Story::all).collect())
            .await
            .unwrap();
    }
    let (first, head) = (&stories[2].proposal, ledger.read(|book| book.head()));
    assert!(ledger.read(|book| book.recent(first.id).is_none()));
    let found = ledger.received(head, first.id).await.unwrap();
    assert_eq!(found.as_ref(), Some(first));
    let other = Story::new(400, Tier::Low).proposal.id;
    assert_eq!(ledger.received(head, other).await.unwrap(), None);
    // When it had ended stays known, from the ledger and from what was written down of it.
    let ran_at = ledger.read(|book| book.ended(first.id).unwrap().ran_at);
    assert!(ran_at.is_some());
    ledger.close().await;
    for dir in ["one", "two"] {
        let again = world.open(dir).await;
        assert_eq!(again.read(|book| book.ended(first.id).unwrap().ran_at), ran_at);
    }
}

#[tokio::test]
async fn all_drafts_of_a_call_are_recorded_or_none() {
    let world = World::new();
    let ledger = world.open("one").await;
    let story = Story::new(1, Tier::Medium);
    let before = format!("{:?}", ledger.read(Clone::clone));
    let error = ledger
        .append(vec![story.received(), story.opened(), story.finished()])
        .await
        .unwrap_err();
    assert!(matches!(error, AppendError::Refused(_)), "{error}");
    assert_eq!(before, format!("{:?}", ledger.read(Clone::clone)));
    assert_eq!(world.git(&["rev-list", "--count", "ledger"]).trim(), "1");
}

#[tokio::test]
async fn i16_a_low_group_is_one_commit() {
    let world = World::new();
    let ledger = world.open("one").await;
    let drafts: Vec<_> = (0..100).map(|n| Story::new(n, Tier::Low).received()).collect();
    let recorded = ledger.append(drafts).await.unwrap();
    assert_eq!(recorded.len(), 100);
    assert_eq!(world.git(&["rev-list", "--count", "ledger"]).trim(), "2");
    let message = world.git(&["log", "-1", "--format=%B", "ledger"]);
    assert!(
        message.starts_with("recorded 100 entries: 100 received\n\n{"),
        "{}",
        &message[..80]
    );
    assert!(message.contains("\n\nKind: group\nEntries: 100\nActor: gate\n"));
}

#[tokio::test]
async fn i16_a_large_low_group_is_one_push_of_commits_that_are_no_larger_than_256_kib() {
    let world = World::new();
    let ledger = world.open("one").await;
    let drafts: Vec<_> = (0..1000).map(|n| Story::new(n, Tier::Low).received()).collect();
    let bytes: usize = {
        let recorded = ledger.append(drafts).await.unwrap();
        assert_eq!(recorded.len(), 1000);
        recorded.iter().map(|one| one.entry().line().unwrap().len()).sum()
    };
    let sizes = world.git(&["log", "--format=%B%x00", "ledger"]);
    let sizes: Vec<usize> = sizes.split('\0').map(str::len).collect();
    let most = 256 * 1024 + 4096;
    assert!(sizes.iter().all(|size| *size <= most), "{sizes:?}");
    let commits: usize = world
        .git(&["rev-list", "--count", "ledger"])
        .trim()
        .parse()
        .unwrap();
    assert_eq!(
        commits,
        1 + bytes.div_ceil(256 * 1024),
        "{bytes} bytes in {sizes:?}"
    );
}

#[tokio::test]
async fn i17_two_writers_on_one_remote_both_land() {
    let world = World::new();
    let (one, two) = (world.open("one").await, world.open("two").await);
    let write = async |ledger: Ledger, from: u32| {
        for n in from..from + 10 {
            ledger.append(Story::new(n, Tier::Medium).all()).await.unwrap();
        }
    };
    let (a, b) = (
        tokio::spawn(write(one.clone(), 100)),
        tokio::spawn(write(two.clone(), 200)),
    );
    a.await.unwrap();
    b.await.unwrap();
    one.refresh().await.unwrap();
    two.refresh().await.unwrap();
    assert_eq!(one.findings(), []);
    assert_eq!(one.read(|book| book.size()), 121);
    assert_eq!(one.read(|book| book.head()), two.read(|book| book.head()));
    // The same request through both: admitted again on what the other wrote, and refused.
    let story = Story::new(300, Tier::Medium);
    one.append(vec![story.received()]).await.unwrap();
    let mut later = story.received();
    later.time = at(400);
    let error = two.append(vec![later]).await.unwrap_err();
    assert!(matches!(error, AppendError::Refused(_)), "{error}");
    assert_eq!(two.read(|book| book.size()), 122);
}

#[tokio::test]
async fn a_push_that_fails_leaves_the_book_as_it_was() {
    let world = World::new();
    let ledger = world.open("one").await;
    let before = format!("{:?}", ledger.read(Clone::clone));
    let away = world.root.path().join("away.git");
    std::fs::rename(world.remote(), &away).unwrap();
    let story = Story::new(1, Tier::Medium);
    let error = ledger.append(vec![story.received()]).await.unwrap_err();
    assert!(matches!(error, AppendError::Unsure(_)), "{error}");
    assert_eq!(before, format!("{:?}", ledger.read(Clone::clone)));
    std::fs::rename(&away, world.remote()).unwrap();
    ledger.append(vec![story.received()]).await.unwrap();
}

#[tokio::test]
async fn i18_a_ledger_that_was_rolled_back_is_refused() {
    let world = World::new();
    let ledger = world.open("one").await;
    ledger.append(Story::new(1, Tier::Medium).all()).await.unwrap();
    world.git(&["update-ref", "refs/heads/ledger", "ledger~2"]);
    let error = ledger.refresh().await.unwrap_err();
    assert!(matches!(error, LedgerError::Rewritten { .. }), "{error}");
    let error = ledger
        .append(Story::new(2, Tier::Medium).all())
        .await
        .unwrap_err();
    assert!(
        matches!(error, AppendError::Ledger(LedgerError::Rewritten { .. })),
        "{error}"
    );
    ledger.close().await;
    let error = Ledger::open(world.options("one")).await.unwrap_err();
    assert!(matches!(error, LedgerError::Rewritten { .. }), "{error}");
    // A directory that never saw the longer ledger has only the genesis digest to go by.
    assert!(Ledger::open(world.options("fresh")).await.is_ok());
}

#[tokio::test]
async fn i01_i28_another_genesis_digest_is_refused() {
    let world = World::new();
    let mut options = world.options("one");
    options.genesis = countersign::domain::ids::Digest::of(b"another");
    let error = Ledger::open(options).await.unwrap_err();
    assert!(matches!(error, LedgerError::Genesis(_)), "{error}");
}

#[tokio::test]
async fn what_is_staged_and_taken_back_leaves_no_trace() {
    let world = World::new();
    let ledger = world.open("one").await;
    ledger.append(Story::new(1, Tier::Medium).all()).await.unwrap();
    ledger
        .append(vec![Story::new(2, Tier::Medium).received()])
        .await
        .unwrap();
    let mut book = ledger.read(Clone::clone);
    let before = format!("{book:?}");
    let mut taken_back = Vec::new();
    let lives = (10..300)
        .map(|n| Story::new(n, Tier::Low))
        .chain([Story::new(400, Tier::Medium)]);
    for story in lives {
        for draft in story.all() {
            let key = world.key(draft.role).id().clone();
            taken_back.push(book.stage(draft, key).unwrap().1);
        }
    }
    let ended = Story::new(1, Tier::Medium).proposal.id;
    assert!(
        book.recent(ended).is_none(),
        "more lives ended than are kept whole"
    );
    assert_ne!(before, format!("{book:?}"));
    for before in taken_back.into_iter().rev() {
        book.unstage(before);
    }
    assert_eq!(before, format!("{book:?}"));
    assert!(book.recent(ended).is_some());
}

#[tokio::test]
async fn the_fields_of_low_tier_s_entries_are_declared_in_canonical_order() {
    let world = World::new();
    let ledger = world.open("one").await;
    let recorded = ledger.append(Story::new(1, Tier::Low).all()).await.unwrap();
    for one in recorded {
        let entry = one.entry();
        let declared = serde_json::to_string(entry).unwrap();
        assert_eq!(
            declared,
            entry.line().unwrap(),
            "sorting {} takes time",
            entry.kind()
        );
    }
}
