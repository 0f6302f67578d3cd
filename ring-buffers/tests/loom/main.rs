// SPDX-License-Identifier: MIT OR Apache-2.0
//! ORD-2: the orderings of `Site::ordering` are enough for CALL-2, CALL-3, CALL-8, CALL-16, CALL-25, CALL-26,
//! EVT-8, EVT-9, EVT-11, EVT-12, EVT-15, EVT-18, PAGE-3, PAGE-4, STR-3, STR-4, STR-6, STR-8,
//! STR-10, STR-11 and STR-14, and each is needed. GEN-2 is held by the memory under all models.
//!
//! A model runs the rings' own code under loom, which tries every interleaving and every value that a load
//! may see. `holds` runs it as it is. The other tests of a model weaken one site, an access to Relaxed or a
//! fence to nothing, and demand that loom finds the failure. All positions start one before the wrap of 32
//! bits.
//!
//! Every run is exhaustive. Where a call gives two sizes, the second is that of `cargo xtask
//! mutate-orderings`.
#![allow(missing_docs, reason = "a test")]
#![allow(clippy::incompatible_msrv, reason = "tests stay on the newest compiler")]

mod bulk;
mod channel;
mod control;
mod event;
mod gate;
mod memory;
mod page;
mod queue;
mod run;
mod stream;
mod table;

use run::size;
use tenon_rings::Site;

/// The models see the faults that are planted for them.
#[test]
fn each_planted_fault_is_seen() {
    tenon_planted::see!();
}

/// Tests of models: each is run as it is, and with each of its witnessed sites weakened.
macro_rules! models {
    ($( $model:ident($weak:ident) $body:block sees { $( $test:ident: $site:ident, )* } )*) => {
        $( mod $model {
            use super::*;

            fn model($weak: Option<Site>) $body

            #[test]
            fn holds() {
                run::holds(stringify!($model), || model(None));
            }

            $( #[test]
            fn $test() {
                run::fails(stringify!($model), Site::$site, || model(Some(Site::$site)));
            } )*
        } )*

        /// Each model with the sites that it witnesses.
        const WITNESSES: &[(&str, &[Site])] = &[$( (stringify!($model), &[$( Site::$site, )*]), )*];
    };
}

models! {
    exchange_depth_1(weak) { queue::exchange::<1>(weak, size(2, 3), size(4, 6)) } sees {
        submission_publish: SubmissionPublish,
        submission_take: SubmissionTake,
        completion_publish: CompletionPublish,
        completion_take: CompletionTake,
    }
    exchange_depth_2(weak) { queue::exchange::<2>(weak, size(3, 4), size(5, 7)) } sees {
        submission_publish: SubmissionPublish,
        submission_take: SubmissionTake,
        completion_publish: CompletionPublish,
        completion_take: CompletionTake,
    }
    exchange_at_once(weak) { queue::exchange_at_once::<2>(weak, 3, size(4, 5)) } sees {
        submission_publish: SubmissionPublish,
        submission_take: SubmissionTake,
        completion_publish: CompletionPublish,
        completion_take: CompletionTake,
    }
    halt_for_completions(weak) { queue::halt::<2>(weak) } sees {
        arm_fence: ArmFence,
        wake_fence: WakeFence,
        completion_publish: CompletionPublish,
        completion_take: CompletionTake,
    }
    rest_for_submissions(weak) { queue::rest::<2>(weak, 2) } sees {
        kick_fence: KickFence,
        rest_fence: RestFence,
        submission_publish: SubmissionPublish,
        submission_take: SubmissionTake,
    }
    rest_and_halt(weak) { queue::rest_and_halt(weak, 1) } sees {
        kick_fence: KickFence,
        rest_fence: RestFence,
        arm_fence: ArmFence,
        wake_fence: WakeFence,
    }
    reset_in_flight(weak) { queue::reset(weak) } sees {
        submission_publish: SubmissionPublish,
        submission_take: SubmissionTake,
        completion_publish: CompletionPublish,
        completion_take: CompletionTake,
        control_publish: ControlPublish,
        control_take: ControlTake,
    }
    announce_event(weak) { event::announce(weak) } sees {
        entry_publish: EntryPublish,
    }
    acknowledge_events(weak) { event::acknowledge(weak, size(2, 3), size(2, 3)) } sees {
        taken_fence: TakenFence,
        raise_fence: RaiseFence,
    }
    halt_for_events(weak) { event::halt(weak, 2) } sees {
        taken_fence: TakenFence,
        raise_fence: RaiseFence,
        arm_fence: ArmFence,
        wake_fence: WakeFence,
    }
    mask_and_unmask(weak) { event::mask(weak, false) } sees {
        taken_fence: TakenFence,
        raise_fence: RaiseFence,
        hint_fence: HintFence,
    }
    unmask(weak) { event::mask(weak, true) } sees {
        taken_fence: TakenFence,
        raise_fence: RaiseFence,
        hint_fence: HintFence,
    }
    migrate_with_entry(weak) { event::migrate(weak) } sees {
        taken_fence: TakenFence,
        raise_fence: RaiseFence,
    }
    answer_control(weak) { control::answer(weak) } sees {
        control_publish: ControlPublish,
        control_take: ControlTake,
    }
    one_handler_at_a_time(weak) { gate::two_cpus(weak) } sees {
        gate_enter: GateEnter,
        gate_leave: GateLeave,
        gate_again: GateAgain,
    }
    channel_2_slots(weak) { channel::exchange(weak, 2, size(4, 5), size(4, 5)) } sees {
        produced_publish: ProducedPublish,
        produced_take: ProducedTake,
        consumed_publish: ConsumedPublish,
        consumed_take: ConsumedTake,
    }
    records_behind_a_skip(weak) { stream::records(weak, 3, 0, size(3, 4)) } sees {
        produced_publish: ProducedPublish,
        produced_take: ProducedTake,
    }
    records_over_records(weak) { stream::records(weak, size(5, 6), 3, size(4, 5)) } sees {
        consumed_publish: ConsumedPublish,
        consumed_take: ConsumedTake,
    }
    wait_for_messages(weak) { channel::wait_for_messages(weak, 2) } sees {
        arm_fence: ArmFence,
        wake_fence: WakeFence,
        produced_publish: ProducedPublish,
        produced_take: ProducedTake,
    }
    wait_for_room(weak) { channel::wait_for_room(weak, 2, 1) } sees {
        arm_fence: ArmFence,
        wake_fence: WakeFence,
        consumed_publish: ConsumedPublish,
        consumed_take: ConsumedTake,
    }
    wait_for_each_other(weak) { channel::wait_for_each_other(weak, 1) } sees {
        arm_fence: ArmFence,
        wake_fence: WakeFence,
        produced_publish: ProducedPublish,
        produced_take: ProducedTake,
        consumed_publish: ConsumedPublish,
        consumed_take: ConsumedTake,
    }
    attach_to_a_ring(weak) { channel::attach(weak, 1) } sees {
        produced_publish: ProducedPublish,
        produced_take: ProducedTake,
    }
    read_a_page(weak) { page::read(weak, size(2, 3), 2) } sees {
        page_fill_fence: PageFillFence,
        page_publish: PagePublish,
        page_take: PageTake,
        page_look_fence: PageLookFence,
    }
    writer_dies_in_a_copy(weak) { page::succeed(weak, 1, 2) } sees {
        page_fill_fence: PageFillFence,
        page_publish: PagePublish,
        page_take: PageTake,
        page_look_fence: PageLookFence,
    }
    writer_dies_before_it_publishes(weak) { page::succeed(weak, 2, 2) } sees {
        page_fill_fence: PageFillFence,
        page_publish: PagePublish,
        page_take: PageTake,
        page_look_fence: PageLookFence,
    }
}
