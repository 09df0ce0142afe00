//! Control codes, as `CTL_CODE(DEVICE_TYPE, function, METHOD_BUFFERED, access)` lays them out.
//!
//! Source of the layout: Microsoft, "Defining I/O Control Codes".

/// Device type of the control device; values from 0x8000 are free for vendors.
pub const DEVICE_TYPE: u32 = 0x8a11;

const METHOD_BUFFERED: u32 = 0;
const FILE_READ_ACCESS: u32 = 1;
const FILE_WRITE_ACCESS: u32 = 2;

const fn code(function: u32, access: u32) -> u32 {
    (DEVICE_TYPE << 16) | (access << 14) | (function << 2) | METHOD_BUFFERED
}

/// Version negotiation: [`HelloRequest`](crate::message::HelloRequest) in, [`Hello`](crate::message::Hello) out.
pub const HELLO: u32 = code(0x801, FILE_READ_ACCESS);
/// State and counters: [`Request`](crate::message::Request) in, [`Status`](crate::message::Status) out.
pub const STATUS: u32 = code(0x802, FILE_READ_ACCESS);
/// A new generation: [`Request`](crate::message::Request) and the compiled set in, [`PushOutcome`](crate::message::PushOutcome) out.
pub const PUSH: u32 = code(0x803, FILE_WRITE_ACCESS);
/// A piece of the generation in force: [`PullRequest`](crate::message::PullRequest) in,
/// [`Pulled`](crate::message::Pulled) and bytes out.
pub const PULL: u32 = code(0x804, FILE_READ_ACCESS);
/// Weigh a file now: [`Request`](crate::message::Request) and an NT path in UTF-16LE in, an event record out.
pub const CHECK: u32 = code(0x805, FILE_READ_ACCESS);
/// Events after a sequence number: [`EventsRequest`](crate::message::EventsRequest) in,
/// [`Events`](crate::message::Events) and records out, when there are some or at once, as the request says.
pub const EVENTS: u32 = code(0x806, FILE_READ_ACCESS);
/// Evaluate or enforce: [`ModeRequest`](crate::control::ModeRequest) in, [`ModeOutcome`](crate::control::ModeOutcome) and a
/// [`tag::DRIVER`](crate::event::tag::DRIVER) field for each driver in the way out.
pub const MODE: u32 = code(0x807, FILE_WRITE_ACCESS);
/// Back to the generation before the one in force: [`Request`](crate::message::Request) in,
/// [`PushOutcome`](crate::message::PushOutcome) out.
pub const ROLLBACK: u32 = code(0x808, FILE_WRITE_ACCESS);
/// How far the evaluation is: [`Request`](crate::message::Request) in, [`Progress`](crate::report::Progress) and a
/// [`tag::DRIVER`](crate::event::tag::DRIVER) field for each violating driver out.
pub const PROGRESS: u32 = code(0x809, FILE_READ_ACCESS);
/// What an evaluation must reach: [`ThresholdsRequest`](crate::control::ThresholdsRequest) in,
/// [`Progress`](crate::report::Progress) out.
pub const THRESHOLDS: u32 = code(0x80a, FILE_WRITE_ACCESS);
/// Counters, times and rule hits: [`Request`](crate::message::Request) in, [`Metrics`](crate::report::Metrics) and a
/// [`tag::RULE_HITS`](crate::event::tag::RULE_HITS) field for each rule that decided out.
pub const METRICS: u32 = code(0x80b, FILE_READ_ACCESS);
/// Who may sign policy sets: [`KeyRequest`](crate::control::KeyRequest) in, [`KeyOutcome`](crate::control::KeyOutcome) out.
pub const KEY: u32 = code(0x80c, FILE_WRITE_ACCESS);

/// Every code above with its name, for tools and tests that enumerate them.
pub const ALL: [(u32, &str); 12] = [
    (HELLO, "hello"),
    (STATUS, "status"),
    (PUSH, "push"),
    (PULL, "pull"),
    (CHECK, "check"),
    (EVENTS, "events"),
    (MODE, "mode"),
    (ROLLBACK, "rollback"),
    (PROGRESS, "progress"),
    (THRESHOLDS, "thresholds"),
    (METRICS, "metrics"),
    (KEY, "key"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_follow_ctl_code() {
        // (0x8a11 << 16) | (1 << 14) | (0x801 << 2)
        assert_eq!(HELLO, 0x8a11_6004);
        // FILE_WRITE_ACCESS is bit 15.
        assert_eq!(PUSH, 0x8a11_a00c);
        for (code, name) in ALL {
            assert_eq!(code & 3, 0, "{name} is METHOD_BUFFERED");
            assert_ne!((code >> 14) & 3, 0, "{name} requires access");
            assert!((code >> 2) & 0xfff >= 0x800, "{name} is in the vendor range");
        }
    }
}
