//! What guests pass to every import of the contract, and what they answer: lengths, addresses, texts and tags by chance. One guest does
//! what its input says (`guests/puppet.wat`), so that nothing is compiled for a case and thousands are played in a second.

use crate::Plant;
use crate::campaign::{Case, Target, Verdict};
use crate::dice::Dice;
use crate::mutation::edge;
use crate::replies;
use crate::sandboxes::Beside;
use amends::sandbox::{
    Access, Answer, Call, Component, Context, EffectAccess, EffectError, Fence, Intent, Reply, Secrets, StateAccess, StateError,
    StateValue,
};
use amends_domain::definition::Limits;
use amends_domain::event::{Direction, Ending};
use amends_domain::id::RunId;
use amends_domain::payload::Payload;
use amends_domain::run::Effect;
use amends_domain::time::{Span, Timestamp};
use amends_domain::trace::TraceId;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Limits of an attempt: enough for every list of orders, and for no loop.
const LIMITS: Limits = Limits { fuel: 3_000_000, timeout: Span(20_000), memory: 4 << 20 };
/// Bytes of memory that the guest begins with. What is behind them does not exist until it asks for more.
const MEMORY_LEN: u64 = 65_536;
/// Orders of the puppet.
const STORE: u32 = 0;
const ANSWER: u32 = 1;
const GROW: u32 = 2;
const FILL: u32 = 3;
const LOOP: u32 = 4;
const WRITE: u32 = 16;
const GET: u32 = 17;
const SET: u32 = 18;
const REMOVE: u32 = 19;
const SECRET: u32 = 20;
/// One more than the last.
const ORDERS: u64 = 22;
/// Where `realloc` looks what it shall do, and what it gives then.
const REALLOC_AT: u32 = 16;
/// The answer where the puppet finds none.
const ANSWER_AT: u32 = 64;

pub(crate) struct Puppets {
    plant: Plant,
    beside: Beside,
    puppet: Arc<Component>,
}

impl Puppets {
    pub(crate) fn new(plant: Plant) -> Self {
        let beside = Beside::in_process();
        // 1: it gives what stands behind; 2: it traps; 3: it never ends.
        let hostile = "(if (i32.eq (i32.load (i32.const 16)) (i32.const 1)) (then (return (i32.load (i32.const 20)))))
          (if (i32.eq (i32.load (i32.const 16)) (i32.const 2)) (then (unreachable)))
          (if (i32.eq (i32.load (i32.const 16)) (i32.const 3)) (then (loop $ever (br $ever))))
          (local.set $at";
        let frame = harness::small_guest_text("frame");
        let text = frame.replacen("(local.set $at", hostile, 1).replace("(;guest;)", &harness::small_guest_text("puppet"));
        assert!(text.contains("$ever"), "the frame has no place for another realloc");
        let bytes = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"));
        let puppet = beside.load(bytes).unwrap_or_else(|refusal| panic!("{refusal}"));
        Self { plant, beside, puppet }
    }

    fn invoke(&self, call: Call) -> Reply {
        let mut reply = self.beside.runtime.block_on(self.beside.sandbox.invoke(&self.puppet, call));
        if self.plant == Plant::Mistake && !matches!(reply.ending, Ending::Ok { .. }) {
            reply.writes.push(("k".to_owned(), None));
        }
        reply
    }
}

/// An order and its arguments.
type Order = [u32; 5];

/// An address within the first memory mostly, of something or of nothing.
fn address(dice: &mut Dice) -> u32 {
    match dice.below(10) {
        0..6 => u32::try_from(dice.below(MEMORY_LEN / 8)).expect("small") * 8,
        6 => u32::try_from(dice.below(MEMORY_LEN)).expect("small"),
        7 => u32::try_from(MEMORY_LEN - dice.below(20)).expect("small"),
        _ => any(dice),
    }
}

fn length(dice: &mut Dice) -> u32 {
    match dice.below(10) {
        0..5 => u32::try_from(dice.below(20)).expect("small"),
        5 | 6 => u32::try_from(dice.below(6_000)).expect("small"),
        7 => u32::try_from(MEMORY_LEN - dice.below(9)).expect("small"),
        _ => any(dice),
    }
}

fn any(dice: &mut Dice) -> u32 {
    if dice.hits(50) {
        u32::try_from(edge(dice) & 0xffff_ffff).expect("32 bits")
    } else {
        u32::try_from(dice.below(1 << 32)).expect("32 bits")
    }
}

/// Text that is none, or that a terminal obeys, four bytes of it.
const WORDS: [u32; 8] = [0x6162_6364, 0x0000_0000, 0xffff_ffff, 0x0a1b_5b32, 0xe280_aee2, 0xaee2_80e2, 0xf09f_a680, 0x0080_8080];

fn any_order(dice: &mut Dice) -> Order {
    let order = match dice.below(12) {
        0..4 => STORE,
        4 => *dice.one(&[GROW, FILL, FILL, LOOP]),
        5..8 => *dice.one(&[WRITE, GET, SET, REMOVE, SECRET]),
        _ => u32::try_from(dice.below(ORDERS)).expect("a few"),
    };
    let (at, len) = (address(dice), length(dice));
    match order {
        STORE => {
            let what = if dice.hits(50) { *dice.one(&WORDS) } else { any(dice) };
            [order, *dice.one(&[at, at, REALLOC_AT, REALLOC_AT + 4, ANSWER_AT]), what, 0, 0]
        }
        GROW => [order, *dice.one(&[0, 1, 10, 63, 64, 1000, 65_535, 65_536, u32::MAX]), 0, 0, 0],
        FILL => [order, at, *dice.one(&[0x61, 0x0a, 0xff, 0x22]), len, 0],
        LOOP if dice.hits(80) => [WRITE, 1, at, len, 0],
        WRITE => [order, if dice.hits(90) { u32::try_from(dice.below(5)).expect("a few") } else { any(dice) }, at, len, 0],
        SET => [order, at, len, address(dice), length(dice)],
        GET | SECRET => [order, at, len, address(dice), 0],
        _ => [order, at, len, 0, 0],
    }
}

/// Orders that lay out an answer and give it: mostly one that could be meant, with lies in it.
fn any_answer(dice: &mut Dice, orders: &mut Vec<Order>) {
    let at = address(dice) & !7;
    let mut put = |place: u32, what: u32| orders.push([STORE, at.wrapping_add(place), what, 0, 0]);
    match dice.below(4) {
        0 => {
            put(0, 0);
            put(4, address(dice));
            put(8, length(dice));
        }
        1 | 2 => {
            put(0, 1);
            put(4, if dice.hits(90) { u32::try_from(dice.below(3)).expect("a few") } else { any(dice) });
            for text in [8, 16] {
                put(text, address(dice));
                put(text + 4, length(dice));
            }
            put(24, if dice.hits(90) { u32::try_from(dice.below(2)).expect("a few") } else { any(dice) });
            put(28, address(dice));
            put(32, length(dice));
        }
        _ => (0..8).for_each(|word| put(word * 4, any(dice))),
    }
    orders.push([ANSWER, if dice.hits(95) { at } else { any(dice) }, 0, 0, 0]);
}

fn any_orders(dice: &mut Dice) -> Vec<Order> {
    let mut orders: Vec<Order> = Vec::new();
    for _ in 0..dice.below(10) {
        let order = any_order(dice);
        orders.extend(vec![order; *dice.one(&[1, 1, 1, 1, 1, 1, 1, 20, 300])]);
    }
    if dice.hits(70) {
        any_answer(dice, &mut orders);
    }
    orders
}

fn any_call(dice: &mut Dice, orders: &[Order]) -> Call {
    let input: Vec<u8> = orders.iter().flatten().flat_map(|word| word.to_le_bytes()).collect();
    let backward = dice.hits(20);
    let effect = |n: u64| Effect {
        direction: Direction::Forward,
        call: 1,
        attempt: 1,
        method: "POST".into(),
        target: "https://example.com/".repeat(usize::try_from(n % 40).expect("a few") + 1),
        sent: Timestamp(n),
        answer: (n.is_multiple_of(2)).then_some(200),
        response: (n.is_multiple_of(3)).then(|| Payload::from(vec![b'x'; 200])),
    };
    Call {
        direction: if backward { Direction::Backward } else { Direction::Forward },
        input: input.into(),
        output: (backward && dice.hits(50)).then(|| Payload::from("{}")),
        context: Context {
            tenant: "acme".parse().expect("a name"),
            saga: "order".parse().expect("a name"),
            run: RunId(1),
            trace: TraceId::of(RunId(1), None),
            step: "pay".parse().expect("a name"),
            handler: "charge".parse().expect("a name"),
            attempt: 3,
            idempotency_key: "key-1".into(),
            deadline: Timestamp(77),
        },
        effects: (0..*dice.one(&[0, 1, 30, 300])).map(effect).collect(),
        limits: LIMITS,
        log_len_max: u64::MAX,
        access: if dice.hits(80) { Access::ReadWrite } else { Access::ReadOnly },
        state: Arc::new(State),
        outbound: Arc::new(State),
        grants: Arc::default(),
        secrets: Secrets(Arc::new(BTreeMap::from([("abcd".to_owned(), "s3cret-token".to_owned())]))),
        fence: Fence::default(),
    }
}

/// A state with a value under every key, as long as the key says.
struct State;

impl StateAccess for State {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<StateValue>, StateError>> {
        let len = key.len() * 500;
        Box::pin(async move { Ok((len > 0).then(|| StateValue { version: 7, value: Payload::from(vec![b'v'; len]) })) })
    }
}

/// Never asked: the puppet sends nothing.
impl EffectAccess for State {
    fn intend(&self, _: Intent) -> BoxFuture<'_, Result<u32, EffectError>> {
        Box::pin(async { Err(EffectError("nobody sends anything".into())) })
    }

    fn answered(&self, _: Answer) -> BoxFuture<'_, Result<(), EffectError>> {
        Box::pin(async { Err(EffectError("nobody sends anything".into())) })
    }
}

/// Whether the first order passes what cannot be: a text or a list that is not within the memory.
fn must_trap(orders: &[Order]) -> bool {
    let outside = |at: u32, len: u32| u64::from(at) + u64::from(len) > MEMORY_LEN;
    match orders.first() {
        Some([WRITE, level, at, len, _]) => *level > 3 || outside(*at, *len),
        Some([GET | REMOVE | SECRET, at, len, ..]) => outside(*at, *len),
        Some([SET, key, key_len, at, len]) => outside(*key, *key_len) || outside(*at, *len),
        Some([ANSWER, at, ..]) => at % 4 != 0 || outside(*at, 36),
        Some(_) | None => false,
    }
}

impl Target for Puppets {
    fn name(&self) -> &'static str {
        "puppets"
    }

    fn cases(&self) -> u64 {
        60_000
    }

    fn floors(&self) -> &'static [(&'static str, u64)] {
        &[
            ("ok", 50),
            ("trap", 100),
            ("out-of-fuel", 2),
            ("out-of-memory", 2),
            ("rejected", 2),
            ("unavailable", 2),
            ("uncertain", 2),
            ("trap, as it must", 20),
        ]
    }

    fn time_max(&self) -> Duration {
        Duration::from_secs(5)
    }

    /// Twice what the values of one call may have, what the attempt keeps, and the input.
    fn memory_max(&self) -> usize {
        24 << 20
    }

    fn play(&self, case: &mut Case) -> Result<Verdict, String> {
        let orders = any_orders(&mut case.dice);
        case.show(|| format!("{orders:?}"));
        let call = any_call(&mut case.dice, &orders);
        let reply = self.invoke(call);
        let verdict = replies::check(&reply, LIMITS).map_err(|what| format!("{what}: {reply:?}: {orders:?}"))?;
        if !must_trap(&orders) {
            return Ok(verdict.into());
        }
        if verdict == "trap" {
            Ok("trap, as it must".into())
        } else {
            Err(format!("{verdict}, and it passes what is not in its memory: {orders:?}"))
        }
    }
}
