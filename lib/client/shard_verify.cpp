// shard, verification by the caller: the handshake stops where OpenSSL would judge the peer's
// certificate, the caller's verifier is asked after the turn, and its answer opens a turn of its
// own, in which core hears that the handshake can go on.
#include <utility>

#include "client/shard.hpp"
#include "client/shard_turn.hpp"
#include "client/verification.hpp"
#include "proto/tls_profile_impl.hpp"

namespace hearth::detail {

namespace {

class verifier_call final : public pending_call {
public:
    verifier_call(std::shared_ptr<const tls_profile> rules, peer_to_verify who,
                  std::shared_ptr<verification_answer::state> answer)
        : rules_(std::move(rules)), who_(std::move(who)), answer_(std::move(answer)) {}
    void run(call_ptr /*self*/) override {
        run_own([&] {
            rules_->options().verify(std::move(who_), verification_answer(std::move(answer_)));
        });
    }

private:
    std::shared_ptr<const tls_profile> rules_;
    peer_to_verify who_;
    std::shared_ptr<verification_answer::state> answer_;
};

}  // namespace

void shard::ask_verifier(link& l, proto::tls_engine& tls) {
    auto answer = std::make_shared<verification_answer::state>(
        [weak = weak_from_this(), id = l.id](bool is_accepted, std::string reason) {
            const auto self = weak.lock();
            if (!self) return;
            self->submit_late([self = self.get(), id, is_accepted, reason = std::move(reason)] {
                self->on_verdict(id, is_accepted, reason);
            });
        });
    l.question = std::make_unique<open_question>(answer);
    handlers_.push(
        std::make_unique<verifier_call>(tls.profile(), tls.take_question(), std::move(answer)));
}

void shard::on_verdict(connection_id id, bool is_accepted, const std::string& reason) {
    link* l = find_link(id);
    if (l == nullptr || !l->question) return;
    l->question.reset();
    proto::tls_engine& tls = l->proxy_tls ? *l->proxy_tls : *l->wire->tls();
    tls.set_verdict(is_accepted, reason);
    l->flight_reported = true;
    core_.on_handshake_need(now_, id, core::handshake_need::flight);
}

}  // namespace hearth::detail

HEARTH_BEGIN_NAMESPACE

void verification_answer::accept() const { state_->answer(true, {}); }

void verification_answer::refuse(std::string reason) const {
    state_->answer(false, std::move(reason));
}

bool verification_answer::is_abandoned() const noexcept { return state_->abandoned.load(); }

HEARTH_END_NAMESPACE
