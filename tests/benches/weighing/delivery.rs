//! How many events get from the driver to a controller.
//!
//! One thread has known loads refused, which is an event each; another reads through the dispatch code as a controller does. An event
//! counts when its bytes reached the reader whole; what the ring overwrote before that is told apart and does not count.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Instant;

use gate::Gate;
use gate::host::NtStatus;
use gate::process::Process;
use protocol::event::split;
use protocol::ioctl;
use protocol::message::Events;
use protocol::message::EventsRequest;
use protocol::message::Request;
use zerocopy::FromBytes;
use zerocopy::IntoBytes;

const EVENTS: u64 = 500_000;
/// Events that may be under way: no more than the ring holds, so that the reader's pace is measured and not its losses.
const UNDER_WAY: u64 = 60;
/// Events per second that the driver promises.
const BAR: f64 = 200_000.0;
/// Bytes of a batch, as the controller asks for them.
const BATCH: usize = 64 * 1024;

/// Measures, prints, and tells whether the bar is held.
pub fn measure(gate: &Gate<Process>) -> bool {
    let first = gate.status().events_emitted.get();
    let last = first + EVENTS;
    let read = AtomicU64::new(first);
    let begun = Instant::now();
    let (seen, gone, bytes) = thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..EVENTS {
                while number >= read.load(Ordering::Acquire).saturating_sub(first) + UNDER_WAY {
                    thread::yield_now();
                }
                super::ask(gate, super::SIGNED);
            }
        });
        let reader = scope.spawn(|| follow(gate, first, last, &read));
        reader.join().expect("the reader")
    });
    let seconds = begun.elapsed().as_secs_f64();
    assert_eq!(seen + gone, EVENTS, "what is not seen is told as lost");
    #[expect(clippy::cast_precision_loss, reason = "half a million")]
    let rate = seen as f64 / seconds;
    println!(
        "event delivery: {rate:.0} events of {} bytes a second, {gone} lost; {:.2} of the bar of {BAR:.0}",
        bytes / seen.max(1),
        rate / BAR
    );
    rate >= BAR
}

/// Reads up to the last event: how many were seen and lost, and the bytes they took.
fn follow(gate: &Gate<Process>, first: u64, last: u64, read: &AtomicU64) -> (u64, u64, u64) {
    let mut buffer = vec![0; BATCH];
    let (mut seen, mut gone, mut bytes) = (0, 0, 0);
    let mut after = first;
    while after < last {
        let request = EventsRequest {
            request: Request::new(),
            after: after.into(),
            wait: 0.into(),
            reserved: 0.into(),
        };
        let asked = request.as_bytes();
        buffer[..asked.len()].copy_from_slice(asked);
        let answer = gate.dispatch(ioctl::EVENTS, &mut buffer, asked.len(), BATCH);
        let completion = answer.completion().expect("answered at once");
        assert_eq!(completion.status, NtStatus::SUCCESS);
        let (head, records) = Events::read_from_prefix(&buffer[..completion.information]).expect("a head");
        let mut rest = records;
        while let Some((record, behind)) = split(rest) {
            after = record.head.sequence.get();
            bytes += u64::from(record.head.size.get());
            seen += 1;
            rest = behind;
        }
        gone += head.lost.get();
        after = after.max(head.last.get());
        read.store(after, Ordering::Release);
        if head.count.get() == 0 {
            thread::yield_now();
        }
    }
    (seen, gone, bytes)
}
