//! What an attempt carries for a component that imports WASI.

use super::clocks::AttemptClock;
use super::polls::Polls;
use super::random::{AttemptRandom, Draw, RANDOM_LEN_MAX, insecure_seed};
use super::streams::{LogStream, Moved};
use crate::sandbox::attempt::Attempt;
use crate::sandbox::attempt::log::Output;
use crate::sandbox::egress::Egress;
use crate::sandbox::limits::HANDLES_MAX;
use amends_domain::definition::Limits;
use amends_domain::time::Timestamp;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// Fuel of one call into WASI, about its time in nanoseconds.
const CALL_FUEL: u64 = 200;
/// Bytes that the host moves for one unit of fuel.
const BYTES_PER_FUEL: u64 = 8;
/// Most bytes of one list of headers in the host. A guest may hold as many lists as it may hold handles.
const FIELDS_LEN_MAX: usize = 32 * 1024;

/// The context.
pub(in crate::sandbox) struct Wasi {
    ctx: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    egress: Egress,
    calls: u64,
    moved: Moved,
}

impl Wasi {
    /// For one attempt that begins now.
    pub(in crate::sandbox) fn new(attempt: &Attempt, limits: Limits, egress: Egress) -> Self {
        let moved = Moved::default();
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES_MAX);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(FIELDS_LEN_MAX);
        Self { ctx: ctx(attempt, limits, &moved), http, table, egress, calls: 0, moved }
    }

    /// Fuel for what the host did in calls into WASI. Beside the store's own count: what is linked there cannot reach that.
    pub(in crate::sandbox) fn fuel(&self) -> u64 {
        self.calls.saturating_mul(CALL_FUEL).saturating_add(self.moved.bytes() / BYTES_PER_FUEL)
    }

    /// Ends everything that the attempt left: when this is ready its connections are closed.
    pub(in crate::sandbox) async fn close(self) {
        let Self { table, egress, .. } = self;
        // What is in the table ends when it is dropped, but on other threads.
        drop(table);
        egress.closed().await;
    }
}

fn ctx(attempt: &Attempt, limits: Limits, moved: &Moved) -> WasiCtx {
    let (context, direction) = (&attempt.context, attempt.direction);
    let random = |draw| AttemptRandom::new(context, direction, draw, moved.clone());
    let stream = |output| LogStream { log: attempt.log.clone(), output, moved: moved.clone() };
    let start = Timestamp(context.deadline.0.saturating_sub(limits.timeout.0));
    let clock = AttemptClock::new(start, limits.timeout.to_std());
    let mut ctx = WasiCtx::builder();
    ctx.stdout(stream(Output::Standard))
        .stderr(stream(Output::Error))
        .secure_random(random(Draw::Secure))
        .insecure_random(random(Draw::Insecure))
        .insecure_random_seed(insecure_seed(context, direction))
        .max_random_size(RANDOM_LEN_MAX)
        .wall_clock(clock)
        .monotonic_clock(clock)
        // Not linked; this is for the day when somebody links them by mistake.
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false);
    ctx.build()
}

impl Attempt {
    fn wasi(&mut self) -> &mut Wasi {
        let wasi = self.wasi.as_mut().expect("an attempt of a component that imports WASI has it");
        wasi.calls += 1;
        wasi
    }

    /// What it waits for.
    pub(super) fn polls(&mut self) -> Polls<'_> {
        let Wasi { table, calls, .. } = self.wasi();
        Polls { table, calls }
    }
}

impl WasiView for Attempt {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Wasi { ctx, table, .. } = self.wasi();
        WasiCtxView { ctx, table }
    }
}

impl WasiHttpView for Attempt {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let Wasi { http, table, egress, .. } = self.wasi();
        WasiHttpCtxView { hooks: egress, table, ctx: http }
    }
}
