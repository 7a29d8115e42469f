//! Events wait on the disk and are handed out in order, one worker a subject. INVARIANT i24.

use std::{collections::BTreeSet, sync::Arc};

use countersign::{
    domain::ids::InstanceId,
    store::{Store, Work},
};

use super::{Home, at, on_both};

fn worker(name: &str) -> InstanceId {
    format!("{name}.1").parse().unwrap()
}

async fn hear(store: &Store, subject: &str, delivery: &str, seconds: i64) -> bool {
    let delivery = delivery.parse().unwrap();
    let hint = format!("hint of {delivery}");
    store
        .inbox()
        .hear(subject, &delivery, hint, at(seconds))
        .await
        .unwrap()
}

async fn take(store: &Store, name: &str, seconds: i64) -> Option<Work> {
    store.inbox().take(&worker(name), at(seconds)).await.unwrap()
}

fn hints(deliveries: &[&str]) -> Vec<String> {
    deliveries
        .iter()
        .map(|delivery| format!("hint of {delivery}"))
        .collect()
}

#[tokio::test]
async fn i24_i31_events_of_a_subject_are_joined_in_order_and_each_delivery_counts_once() {
    on_both(async |home| {
        let store = home.open().await;
        assert!(hear(&store, "pull 1", "a", 0).await);
        assert!(hear(&store, "pull 2", "x", 1).await);
        assert!(hear(&store, "pull 1", "b", 2).await);
        assert!(!hear(&store, "pull 1", "a", 3).await, "doubled");
        let one = take(&store, "me", 3).await.unwrap();
        assert_eq!((one.lease.subject(), one.hints), ("pull 1", hints(&["a", "b"])));
        assert!(hear(&store, "pull 1", "c", 4).await);
        let two = take(&store, "me", 4).await.unwrap();
        assert_eq!(two.lease.subject(), "pull 2");
        assert!(take(&store, "me", 4).await.is_none(), "never worked on by two");
        assert!(store.inbox().done(&one.lease, at(5)).await.unwrap());
        let again = take(&store, "me", 5).await.unwrap();
        assert_eq!(again.hints, hints(&["c"]), "what came meanwhile");
        assert!(store.inbox().done(&again.lease, at(6)).await.unwrap());
        assert!(store.inbox().done(&two.lease, at(6)).await.unwrap());
        assert!(!hear(&store, "pull 1", "a", 7).await, "known after it is done");
        assert!(
            take(&store, "me", 7).await.is_none(),
            "a doubled delivery has nothing looked at"
        );
        assert_eq!(store.inbox().depth().await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn i24_whoever_lost_a_lease_holds_nothing() {
    on_both(async |home| {
        let (one, two) = (home.open().await, home.try_open("two").await.unwrap());
        hear(&one, "pull 1", "a", 0).await;
        let first = take(&one, "one", 0).await.unwrap();
        assert!(take(&two, "two", 59).await.is_none());
        assert!(one.inbox().renew(&first.lease, at(30)).await.unwrap());
        assert!(take(&two, "two", 61).await.is_none(), "renewed");
        let second = take(&two, "two", 91).await.unwrap();
        assert_eq!(second.hints, first.hints, "worked on again from the beginning");
        assert!(!one.inbox().renew(&first.lease, at(92)).await.unwrap());
        assert!(!one.inbox().done(&first.lease, at(92)).await.unwrap());
        assert!(!one.inbox().failed(&first.lease, "late", at(92)).await.unwrap());
        one.inbox().let_go(&first.lease, at(92)).await.unwrap();
        assert!(
            two.inbox().renew(&second.lease, at(93)).await.unwrap(),
            "it takes nothing from who has it"
        );
        assert!(two.inbox().done(&second.lease, at(94)).await.unwrap());
        assert!(!two.inbox().done(&second.lease, at(94)).await.unwrap());
        assert!(take(&one, "one", 1_000).await.is_none());
    })
    .await;
}

#[tokio::test]
async fn what_is_to_be_looked_at_again_is_once_and_never_while_it_is_worked_on() {
    on_both(async |home| {
        let store = home.open().await;
        let again = async |subjects: &[&str], seconds| {
            let subjects: Vec<String> = subjects.iter().map(ToString::to_string).collect();
            store.inbox().look_again(subjects, at(seconds)).await.unwrap();
        };
        again(&["pull 1", "pull 2", "pull 1"], 0).await;
        again(&["pull 1"], 5).await;
        let one = take(&store, "me", 5).await.unwrap();
        let two = take(&store, "me", 5).await.unwrap();
        assert!(one.hints.is_empty() && two.hints.is_empty());
        assert!(take(&store, "me", 5).await.is_none());
        again(&[one.lease.subject()], 6).await;
        assert!(take(&store, "me", 6).await.is_none());
        store.inbox().done(&one.lease, at(7)).await.unwrap();
        store.inbox().done(&two.lease, at(7)).await.unwrap();
        let once_more = take(&store, "me", 7).await.unwrap();
        assert_eq!(once_more.lease.subject(), one.lease.subject());
        store.inbox().done(&once_more.lease, at(8)).await.unwrap();
        assert!(take(&store, "me", 8).await.is_none());
    })
    .await;
}

#[tokio::test]
async fn i24_what_fails_is_tried_later_and_later_then_parked_and_can_be_tried_again() {
    on_both(async |home| {
        let store = home.open().await;
        let inbox = store.inbox();
        hear(&store, "pull 1", "poison", 0).await;
        let mut seconds = 0;
        let mut tries = 0;
        while let Some(work) = take(&store, "me", seconds).await {
            assert_eq!(work.hints, hints(&["poison"]));
            tries += 1;
            assert!(
                inbox
                    .failed(&work.lease, "it \0 broke", at(seconds))
                    .await
                    .unwrap()
            );
            assert!(take(&store, "me", seconds).await.is_none(), "not at once");
            assert!(tries < 100, "never given up");
            seconds += 600;
        }
        assert!((8..20).contains(&tries), "{tries}");
        assert!(seconds >= 3_600, "given up after {seconds} s");
        let undone = inbox.undone().await.unwrap();
        assert_eq!(undone.len(), 1);
        assert_eq!((undone[0].delivery.as_str(), undone[0].parked), ("poison", true));
        assert_eq!(undone[0].error.as_deref(), Some("it  broke"));
        assert!(hear(&store, "pull 1", "good", seconds).await);
        let work = take(&store, "me", seconds).await.unwrap();
        assert_eq!(work.hints, hints(&["good"]), "the next ones go on without it");
        assert!(inbox.done(&work.lease, at(seconds)).await.unwrap());

        let unknown = "unknown".parse().unwrap();
        assert_eq!(inbox.retry(Some(&unknown), at(seconds)).await.unwrap(), 0);
        let beside = Home::inbox(home).await;
        assert_eq!(
            beside
                .retry(Some(&"poison".parse().unwrap()), at(seconds))
                .await
                .unwrap(),
            1
        );
        assert_eq!(beside.retry(None, at(seconds)).await.unwrap(), 0);
        let work = take(&store, "me", seconds).await.unwrap();
        assert_eq!(work.hints, hints(&["poison"]));
        assert!(inbox.done(&work.lease, at(seconds)).await.unwrap());
        assert!(inbox.undone().await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn what_kills_its_worker_is_parked_too() {
    on_both(async |home| {
        let store = home.open().await;
        hear(&store, "pull 1", "poison", 0).await;
        let mut seconds = 0;
        while take(&store, "me", seconds)
            .await
            .is_some_and(|work| !work.hints.is_empty())
        {
            assert!(seconds < 100_000, "never given up");
            seconds += 600;
        }
        let undone = store.inbox().undone().await.unwrap();
        assert!(undone[0].parked);
        assert_eq!(
            undone[0].error.as_deref(),
            Some("the process that worked on it died")
        );
    })
    .await;
}

#[tokio::test]
async fn a_look_without_an_event_is_left_to_the_sweep_in_the_end() {
    let home = Home::sqlite();
    let store = home.open().await;
    store
        .inbox()
        .look_again(["pull 1".to_owned()], at(0))
        .await
        .unwrap();
    let mut seconds = 0;
    let mut tries = 0;
    while let Some(work) = take(&store, "me", seconds).await {
        tries += 1;
        store
            .inbox()
            .failed(&work.lease, "no", at(seconds))
            .await
            .unwrap();
        seconds += 600;
    }
    assert_eq!(tries, 8);
    assert_eq!(store.inbox().depth().await.unwrap(), 0);
}

#[tokio::test]
async fn a_new_process_of_a_machine_goes_on_at_once_with_what_the_last_one_held() {
    on_both(async |home| {
        let (one, two) = (home.open().await, home.try_open("two").await.unwrap());
        hear(&one, "pull 1", "a", 0).await;
        hear(&one, "pull 2", "b", 1).await;
        let dead: InstanceId = format!("{}.1", one.machine()).parse().unwrap();
        let held = one.inbox().take(&dead, at(1)).await.unwrap().unwrap();
        let other = two.inbox().take(&worker("two"), at(1)).await.unwrap().unwrap();
        let new: InstanceId = format!("{}.2", one.machine()).parse().unwrap();
        one.inbox().inherit(&new, one.machine(), at(2)).await.unwrap();
        let again = one.inbox().take(&new, at(2)).await.unwrap().unwrap();
        assert_eq!(
            (again.lease.subject(), &again.hints),
            (held.lease.subject(), &held.hints)
        );
        assert!(!one.inbox().renew(&held.lease, at(2)).await.unwrap());
        assert!(two.inbox().renew(&other.lease, at(2)).await.unwrap());
        one.inbox().inherit(&new, one.machine(), at(2)).await.unwrap();
        assert!(
            one.inbox().renew(&again.lease, at(2)).await.unwrap(),
            "its own stays"
        );
        one.inbox().leave(&new, at(3)).await.unwrap();
        assert!(!one.inbox().renew(&again.lease, at(3)).await.unwrap());
        assert!(two.inbox().renew(&other.lease, at(3)).await.unwrap());
        assert_eq!(take(&two, "two", 3).await.unwrap().hints, again.hints);
    })
    .await;
}

#[tokio::test]
async fn deliveries_are_remembered_for_eight_days() {
    on_both(async |home| {
        const DAY: i64 = 24 * 3_600;
        let store = home.open().await;
        hear(&store, "pull 1", "a", 0).await;
        let work = take(&store, "me", 0).await.unwrap();
        store.inbox().done(&work.lease, at(0)).await.unwrap();
        store.inbox().prune(at(8 * DAY)).await.unwrap();
        assert!(!hear(&store, "pull 1", "a", 8 * DAY).await);
        store.inbox().prune(at(8 * DAY + 1)).await.unwrap();
        assert!(hear(&store, "pull 1", "a", 8 * DAY + 1).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i24_many_workers_of_two_processes_hand_out_everything_once() {
    on_both(async |home| {
        let stores = [
            Arc::new(home.open().await),
            Arc::new(home.try_open("two").await.unwrap()),
        ];
        let told = (0..400).map(|n| {
            let store = Arc::clone(&stores[n % 2]);
            tokio::spawn(async move { hear(&store, &format!("pull {}", n % 40), &format!("d{n}"), 0).await })
        });
        for told in told.collect::<Vec<_>>() {
            assert!(told.await.unwrap());
        }
        let workers = (0..8).map(|n| {
            let store = Arc::clone(&stores[n % 2]);
            tokio::spawn(async move {
                let mut done = Vec::new();
                while let Some(work) = take(&store, &format!("w{n}"), 1).await {
                    done.extend(work.hints);
                    assert!(store.inbox().done(&work.lease, at(1)).await.unwrap());
                }
                done
            })
        });
        let mut done = Vec::new();
        for worker in workers.collect::<Vec<_>>() {
            done.extend(worker.await.unwrap());
        }
        assert_eq!(done.len(), 400);
        assert_eq!(done.iter().collect::<BTreeSet<_>>().len(), 400);
    })
    .await;
}

#[tokio::test]
async fn more_than_a_thousand_events_are_handed_out_in_parts() {
    on_both(async |home| {
        let store = home.open().await;
        let told = (0..1_200).map(|n| {
            let inbox = store.inbox();
            async move {
                inbox
                    .hear(
                        "pull 1",
                        &format!("d{n:04}").parse().unwrap(),
                        n.to_string(),
                        at(0),
                    )
                    .await
            }
        });
        for told in futures::future::join_all(told).await {
            assert!(told.unwrap());
        }
        let mut all = Vec::new();
        for part in [1_000, 200] {
            let work = take(&store, "me", 0).await.unwrap();
            assert_eq!(work.hints.len(), part);
            all.extend(work.hints);
            assert!(store.inbox().done(&work.lease, at(0)).await.unwrap());
        }
        assert!(take(&store, "me", 0).await.is_none());
        assert_eq!(all, (0..1_200).map(|n| n.to_string()).collect::<Vec<_>>());
    })
    .await;
}
