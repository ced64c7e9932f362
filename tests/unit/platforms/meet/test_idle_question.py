"""The question whether somebody is still there, in words that no table has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from worker.platforms.meet import signs as meet
from worker.platforms.meet.facts import Dialog, Facts
from worker.platforms.meet.idle_question import staying_answer
from worker.platforms.meet.rules import is_unanswerable, steps
from worker.platforms.page_actions import Click
from worker.platforms.signs import Sign, button

ALONE = Facts(elements=frozenset({meet.CALL_CONTROLS.name, meet.LEAVE.name}), tiles=1)

ASKED = {
    "pt": (
        "Sair da chamada",
        "Você ainda está aí? Só você está aqui, então esta chamada terminará em menos de 2 minutos. Quer continuar na chamada?",
        ("Sair agora", "Continuar na chamada"),
    ),
    "de": (
        "Anruf verlassen",
        "Bist du noch da? Außer dir ist niemand hier, daher endet dieser Anruf bald. Möchtest du im Anruf bleiben?",
        ("Jetzt verlassen", "Im Anruf bleiben"),
    ),
    "fr": (
        "Quitter l'appel",
        "Êtes-vous toujours là ? Vous êtes seul, cet appel se terminera dans 2 minutes. Voulez-vous rester dans l'appel ?",
        ("Quitter maintenant", "Rester dans l'appel"),
    ),
    "es": (
        "Salir de la llamada",
        "¿Sigues ahí? No hay nadie más, así que la llamada terminará en 2 minutos. ¿Quieres permanecer en la llamada?",
        ("Salir ahora", "Permanecer en la llamada"),
    ),
    "tr": (
        "Görüşmeden ayrıl",
        "Hâlâ orada mısınız? Burada tek kişisiniz, bu görüşme 2 dakika içinde bitecek. Görüşmede kalmak istiyor musunuz?",
        ("Hemen ayrıl", "Görüşmede kal"),
    ),
    "ja": (
        "通話から退出",
        "まだ参加していますか？この通話は2分以内に終了します。通話を続けますか？",
        ("今すぐ退出", "通話を続ける"),
    ),
    "zh": (
        "退出通话",
        "您还在吗？这里只有您一人，通话将在2分钟内结束。要留在通话中吗？",
        ("立即退出", "留在通话中"),
    ),
    "made up": (
        "llac evael",
        "?ereht llits uoy erA .dne lliw llac siht os ,ereh eno ylno eht er'uoY",
        ("won evael", "llac eht ni yats"),
    ),
}
"""By language: the page's own label for leaving, the question, and the answers, of which the last one stays. The wordings are
ours, after the English one; the languages are what matters."""


def asked(language: str, *, mirrored: bool = False) -> Facts:
    leave, question, answers = ASKED[language]
    shown = list(reversed(answers)) if mirrored else list(answers)
    dialog = Dialog(
        text=f"{question}\n{shown[0]} {shown[1]}", question=question, answers=shown, buttons=shown
    )
    return replace(ALONE, language=language, leave_label=leave, buttons=[leave, *shown], dialogs=[dialog])


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("language", ASKED)
def test_the_answer_that_stays_is_known_in_every_language_wherever_it_stands(
    language: str, mirrored: bool
) -> None:
    facts = asked(language, mirrored=mirrored)
    staying = ASKED[language][2][1]
    assert list(steps(facts)) == [Click(f"{meet.DIALOG.selector} >> {button(staying)}")]
    assert not is_unanswerable(facts)


@pytest.mark.parametrize("language", ASKED)
def test_nobody_is_answered_where_others_are_or_the_answers_are_not_two(language: str) -> None:
    facts = asked(language)
    dialog = facts.dialogs[0]
    for other in (
        replace(facts, tiles=2),
        replace(facts, dialogs=[dialog, dialog]),
        replace(facts, dialogs=[replace(dialog, answers=[*dialog.answers, "OK"])]),
        replace(facts, dialogs=[replace(dialog, answers=dialog.answers[:1])]),
    ):
        assert list(steps(other)) == []
        assert not is_unanswerable(other)
    assert list(steps(replace(facts, elements=frozenset()))) == []


@pytest.mark.parametrize(
    ("question", "answers"),
    [
        ("Ada möchte, dass du dein Mikrofon einschaltest", ("Abbrechen", "Einschalten")),
        ("Ada möchte teilnehmen", ("Ablehnen", "Hereinlassen")),
        ("Du wirst diesen Anruf gleich verlassen", ("Jetzt verlassen", "Im Anruf bleiben")),
        ("", ("Anruf verlassen", "Im Anruf bleiben")),
    ],
)
def test_a_question_whose_answer_cannot_be_known_is_left_and_reported(
    question: str, answers: tuple[str, str]
) -> None:
    dialog = Dialog(text=question, question=question, answers=list(answers), buttons=list(answers))
    facts = replace(ALONE, language="de", leave_label="Anruf verlassen", dialogs=[dialog])
    assert list(steps(facts)) == []
    assert is_unanswerable(facts)
    assert not is_unanswerable(replace(facts, tiles=2))


def test_known_words_come_first() -> None:
    question = "Are you still there?"
    answers = ["Leave now", "Stay in the call"]
    dialog = Dialog(text=question, question=question, answers=answers, buttons=answers)
    facts = replace(ALONE, tiles=5, leave_label="Leave call", dialogs=[dialog])
    assert list(steps(facts)) == [Click(f"{meet.DIALOG.selector} >> {button('Stay in the call')}")]
    unknown = replace(facts, dialogs=[replace(dialog, answers=["Bye", "Hello"], buttons=["Bye", "Hello"])])
    assert list(steps(unknown)) == []


@pytest.mark.parametrize("known", [meet.RECORDING_DENIED, meet.CONSENT, meet.NOTICE])
def test_a_dialog_of_known_words_is_answered_by_its_sign_alone(known: Sign) -> None:
    question = f"{known.phrases[0]}. Do you want to stay in this call?"
    answers = ["Leave it", "Stay"]
    dialog = Dialog(text=question, question=question, answers=answers, buttons=answers)
    facts = replace(ALONE, leave_label="Leave call", dialogs=[dialog])
    assert staying_answer(dialog, facts) == "Stay"
    assert list(steps(facts)) == []
    assert not is_unanswerable(facts)


@given(st.text(), st.text(), st.lists(st.text(), max_size=3), st.sampled_from(sorted(ASKED)))
def test_the_pages_own_button_to_leave_is_never_an_answer(
    leave: str, question: str, answers: list[str], language: str
) -> None:
    dialog = Dialog(text=question, question=question, answers=[leave, *answers], buttons=[leave, *answers])
    for label in (leave, ASKED[language][0]):
        facts = replace(ALONE, leave_label=label, dialogs=[replace(dialog, answers=[label, *answers])])
        answer = staying_answer(facts.dialogs[0], facts)
        assert answer is None or answer != label


@given(st.permutations(ASKED["de"][2]), st.text(max_size=30))
def test_no_words_around_the_question_make_the_bot_leave(answers: list[str], more: str) -> None:
    leave, question, _ = ASKED["de"]
    dialog = Dialog(text="", question=f"{more} {question} {more}", answers=answers, buttons=answers)
    facts = replace(ALONE, leave_label=leave, dialogs=[dialog])
    assert staying_answer(dialog, facts) in (None, "Im Anruf bleiben")
