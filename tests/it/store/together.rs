//! What comes at the same moment is written in one statement, and each is answered as if it had come alone.

use super::*;

#[tokio::test]
async fn i24_of_nonces_that_are_shown_together_each_is_let_in_once() {
    on_both(async |home| {
        let store = home.open().await;
        let agents = ["robot", "other"].map(|agent| agent.parse().unwrap());
        let nonces: Vec<Nonce> = (0..300)
            .map(|n| format!("nonce-{n:012}").parse().unwrap())
            .collect();
        let shown = nonces
            .iter()
            .chain(nonces.iter().rev())
            .flat_map(|nonce| agents.each_ref().map(|agent| (agent, nonce)));
        let admitted = shown.map(|(agent, nonce)| store.nonces().admit(agent, nonce, now(), now()));
        let (mut let_in, mut used) = (0, 0);
        for admitted in futures::future::join_all(admitted).await {
            match admitted {
                Ok(()) => let_in += 1,
                Err(NonceError::Used(_)) => used += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!((let_in, used), (600, 600));
    })
    .await;
}

#[tokio::test]
async fn i16_of_ends_that_are_told_together_one_stands() {
    on_both(async |home| {
        let store = home.open().await;
        let claimed = claim(&store, &arrived().await).await.unwrap();
        let name = store.outbox().rows().await.unwrap()[0].name();
        let other = countersign::domain::ids::Digest::of(b"nobody claimed it");
        let end = |reason: &str| {
            Ended::Unknown(Unknown {
                stopped: true,
                instance: "me".parse().unwrap(),
                reason: reason.into(),
                steps: Vec::new(),
                credentials: Vec::new(),
            })
        };
        let (first, second) = (end("first"), end("second"));
        let outbox = store.outbox();
        let (a, b, c) = tokio::join!(
            outbox.end(name, &first),
            outbox.end(name, &second),
            outbox.end(other, &second)
        );
        assert_eq!((a.unwrap(), b.unwrap(), c.unwrap()), (true, false, false));
        // Who claimed it goes by the word that stands.
        let row = outbox.finish(claimed, second).await.unwrap().unwrap();
        assert_eq!(row.ended(), Some(&first));
    })
    .await;
}

#[tokio::test]
async fn i29_answers_that_are_kept_together_are_kept_with_one_key_each() {
    on_both(async |home| {
        let store = home.open().await;
        let kept = |place: &str, sealed: &str| Kept {
            place: place.to_owned(),
            sealed: sealed.to_owned(),
        };
        let keys = [DataKey::new([1; 32]), DataKey::new([2; 32])];
        let results = store.results();
        let mut keeping = Vec::new();
        for n in 0..150 {
            keeping.push(results.keep(id(n), &keys[0], vec![kept("1", "one"), kept("2", "two")], at(60)));
            keeping.push(results.keep(id(n), &keys[1], vec![kept("1", "foreign")], at(60)));
            keeping.push(results.keep(id(n), &keys[0], vec![kept("3", "three")], at(60)));
        }
        let said = futures::future::join_all(keeping).await;
        let said: Vec<bool> = said.into_iter().map(Result::unwrap).collect();
        assert_eq!(said, [true, false, true].repeat(150));
        for n in [0, 149] {
            let of = results.of(id(n)).await.unwrap();
            assert_eq!(of, [kept("1", "one"), kept("2", "two"), kept("3", "three")]);
        }
    })
    .await;
}

#[tokio::test]
async fn i24_of_keys_and_nonces_that_are_asked_about_together_each_is_told_its_own() {
    on_both(async |home| {
        let store = home.open().await;
        let arrived = arrived().await;
        claim(&store, &arrived).await.unwrap();
        let proposal = &arrived.0.proposal;
        let (agent, other) = (&proposal.binding.agent, "other".parse().unwrap());
        let key = &proposal.idempotency_key;
        let strange: Vec<Nonce> = (0..300)
            .map(|n| format!("nonce-{n:012}").parse().unwrap())
            .collect();
        let outbox = store.outbox();
        let asked = strange.iter().enumerate().map(|(at, nonce)| match at % 4 {
            0 => outbox.before(agent, Some(key), nonce),
            1 => outbox.before(agent, None, &proposal.nonce),
            2 => outbox.before(&other, Some(key), &proposal.nonce),
            _ => outbox.before(agent, None, nonce),
        });
        let told = futures::future::join_all(asked).await;
        for (at, told) in told.into_iter().enumerate() {
            let told = told.unwrap();
            let own = [
                (Some(proposal.id), false),
                (None, true),
                (None, false),
                (None, false),
            ];
            assert_eq!((told.proposal, told.nonce), own[at % 4], "{at}");
        }
    })
    .await;
}
