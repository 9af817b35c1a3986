"""The words with which models name an option, by language: data of the robust reader.

Sources: the words for "answer" of the MMMLU reader of openai/simple-evals (MIT, common.py:
ar, bn, de, es, fr, hi, id, it, ja, ko, pt, sw, yo, zh) and of recorded answers to CLiKA; the rest
from Wiktionary's translations of answer, option, question, correct and not (CC BY-SA, single
words). Together they cover the thirty languages with most speakers (Ethnologue 2024) and those of
Global-MMLU, MMLU-ProX and Belebele's larger ones. To add a language, add an entry.
"""

from typing import NamedTuple


class AnswerWords(NamedTuple):
    """Words of one language, separated by '|'.

    Attributes:
      answer: what introduces an answer.
      link: what may come between it and the letter; never a negation.
      option: what may come before the letter.
      question: what introduces the next question.
      denied: what denies a letter when it follows it.
      after: what follows a letter and makes it one, in languages in which A or E is no word.
    """

    answer: str
    link: str = ''
    option: str = ''
    question: str = ''
    denied: str = ''
    after: str = ''


WORDS = {
    'en': AnswerWords(
        'answer',
        'is|are|would be|should be|must be|the|correct|right|best|most|reasonable|one|final|here'
        '|clearly|therefore',
        'option|choice|letter',
        'question|premise|q',
    ),
    'pcm': AnswerWords('ansa', 'na|be|di|correct', 'option', 'kweshon'),
    'de': AnswerWords(
        'antwort',
        'ist|lautet|wäre|die|der|das|richtige|korrekte|beste',
        'option|buchstabe|antwortmöglichkeit',
        'frage',
    ),
    'nl': AnswerWords('antwoord', 'is|het|juiste|correcte|goede|luidt', 'optie', 'vraag'),
    'af': AnswerWords('antwoord', 'is|die|korrekte|regte', 'opsie', 'vraag'),
    'sv': AnswerWords('svaret|svar', 'är|rätt|rätta|korrekta', 'alternativ', 'fråga'),
    'da': AnswerWords('svaret|svar', 'er|rigtige|korrekte', 'mulighed', 'spørgsmål'),
    'no': AnswerWords('svaret|svar', 'er|riktige|rette', 'alternativ', 'spørsmål'),
    'fr': AnswerWords(
        'réponse|reponse',
        'est|serait|la|le|correcte|bonne|exacte|finale',
        'option|lettre|la lettre|choix',
        'question',
    ),
    'es': AnswerWords(
        'respuesta', 'es|sería|la|el|correcta|final|opción', 'opción|opcion|letra', 'pregunta'
    ),
    'pt': AnswerWords(
        'resposta', 'é|seria|a|o|correta|certa|final', 'opção|alternativa|letra', 'pergunta|questão'
    ),
    'ca': AnswerWords('resposta', 'és|la|correcta', 'opció|lletra', 'pregunta'),
    'it': AnswerWords(
        'risposta',
        'è|é|e|sarebbe|la|il|corretta|giusta|esatta|finale',
        'opzione|lettera',
        'domanda',
    ),
    'ro': AnswerWords('răspunsul|răspuns', 'este|e|corect|final', 'opțiunea|varianta', 'întrebare'),
    'ht': AnswerWords('repons', 'se|la|ki kòrèk|kòrèk', 'opsyon', 'kesyon'),
    'pl': AnswerWords(
        'odpowiedzią|odpowiedź|odpowiedz',
        'jest|brzmi|to|poprawna|prawidłowa|właściwa',
        'opcja|litera',
        'pytanie',
    ),
    'cs': AnswerWords('odpověď|odpovědí', 'je|zní|správná', 'možnost', 'otázka'),
    'sk': AnswerWords('odpoveď', 'je|znie|správna', 'možnosť', 'otázka'),
    'sl': AnswerWords('odgovor', 'je|pravilen', 'možnost', 'vprašanje'),
    'hr': AnswerWords('odgovor', 'je|točan|ispravan|tačan', 'opcija', 'pitanje'),
    'sr': AnswerWords('одговор|odgovor', 'је|је тачан|тачан|je|tačan', 'опција|opcija', 'питање'),
    'bg': AnswerWords('отговорът|отговор', 'е|верният|правилният', 'вариант', 'въпрос'),
    'ru': AnswerWords(
        'ответом|ответ',
        'это|является|будет|правильный|верный|верен|правильным',
        'литера|вариант|буква',
        'вопрос',
        'не верно|неверно|неверен|не является',
    ),
    'uk': AnswerWords('відповіддю|відповідь', 'це|є|правильна|вірна', 'варіант|літера', 'питання'),
    'ky': AnswerWords('жооп|жообу', 'туура', 'вариант', 'суроо', 'эмес'),
    'kk': AnswerWords('жауабы|жауап', 'дұрыс', 'нұсқа', 'сұрақ', 'емес'),
    'lt': AnswerWords('atsakymas', 'yra|teisingas', 'variantas', 'klausimas'),
    'lv': AnswerWords('atbilde', 'ir|pareizā', 'variants', 'jautājums'),
    'et': AnswerWords('vastus', 'on|õige', 'variant', 'küsimus'),
    'fi': AnswerWords('vastaus', 'on|oikea', 'vaihtoehto', 'kysymys'),
    'hu': AnswerWords('válasz', 'a|az|helyes', '', 'kérdés', '', 'válasz|lehetőség'),
    'eu': AnswerWords('erantzuna', 'zuzena|da', 'aukera', 'galdera'),
    'el': AnswerWords('απάντηση', 'είναι|η|το|σωστή|ορθή', 'επιλογή', 'ερώτηση'),
    'hy': AnswerWords('պատասխանը|պատասխան', 'է|ճիշտ', 'տարբերակ', 'հարց'),
    'ka': AnswerWords('პასუხი', 'არის|სწორი', 'ვარიანტი', 'კითხვა'),
    'tr': AnswerWords(
        'cevabınız|cevabı|cevap|yanıtı|yanıt',
        'doğru|şudur|olarak',
        'seçenek|şık',
        'soru',
        'değil|yanlış',
        'seçeneği|şıkkı|şık',
    ),
    'az': AnswerWords('cavabı|cavab', 'doğru|düzgün', 'variant', 'sual', 'deyil', 'variantı'),
    'uz': AnswerWords('javobi|javob', 'to‘g‘ri', 'variant', 'savol', 'emas', 'varianti'),
    'ar': AnswerWords(
        'الإجابة|الاجابة|إجابة|اجابة|الجواب|جواب|الإجابه',
        'هي|هو|الصحيحة|الصحيح|النهائية|النهائي',
        'الخيار|الحرف|الاختيار',
        'السؤال|سؤال',
        'خطأ|خاطئة|غير صحيح|ليس',
    ),
    'he': AnswerWords('התשובה|תשובה', 'היא|הוא|הנכונה|נכונה', 'אפשרות|האות', 'שאלה'),
    'fa': AnswerWords(
        'پاسخ|جواب', 'صحیح|درست|نهایی|برابر', 'گزینه‌ی|گزینهٔ|گزینه|حرف', 'سوال|سؤال|پرسش', 'نیست'
    ),
    'ur': AnswerWords('جواب', 'درست|صحیح|ہے|یہ', 'آپشن|اختیار', 'سوال', 'نہیں'),
    'ps': AnswerWords('ځواب', 'سم|دی', 'انتخاب', 'پوښتنه', 'نه دی'),
    'hi': AnswerWords('उत्तर|जवाब', 'हैं|है|सही|होगा|यह', 'विकल्प', 'प्रश्न|सवाल', 'नहीं|गलत'),
    'mr': AnswerWords('उत्तर', 'आहे|बरोबर|योग्य|हे', 'पर्याय', 'प्रश्न', 'नाही'),
    'ne': AnswerWords('उत्तर|जवाफ', 'हो|सही', 'विकल्प', 'प्रश्न', 'होइन'),
    'bho': AnswerWords('उत्तर|जवाब', 'बा|ह|सही', 'विकल्प', 'सवाल', 'नइखे'),
    'bn': AnswerWords('উত্তরঃ|উত্তরটি|উত্তর', 'হলো|হল|হচ্ছে|হবে|সঠিক', 'বিকল্প|অপশন', 'প্রশ্ন', 'নয়|না|ভুল'),
    'as': AnswerWords('উত্তৰ', 'হ’ল|হৈছে|শুদ্ধ', 'বিকল্প', 'প্ৰশ্ন', 'নহয়'),
    'pa': AnswerWords('ਜਵਾਬ|ਉੱਤਰ', 'ਹੈ|ਸਹੀ', 'ਵਿਕਲਪ', 'ਪ੍ਰਸ਼ਨ|ਸਵਾਲ', 'ਨਹੀਂ'),
    'gu': AnswerWords('જવાબ|ઉત્તર', 'છે|સાચો', 'વિકલ્પ', 'પ્રશ્ન', 'નથી'),
    'or': AnswerWords('ଉତ୍ତର', 'ହେଉଛି|ସଠିକ୍|ହେଲା', 'ବିକଳ୍ପ', 'ପ୍ରଶ୍ନ', 'ନୁହେଁ'),
    'ta': AnswerWords('பதில்|விடை', 'சரியான|ஆகும்|என்பது', 'விருப்பம்', 'கேள்வி|வினா', 'அல்ல|இல்லை'),
    'te': AnswerWords('సమాధానం|జవాబు', 'సరైన|సరైనది|ఏమిటంటే', 'ఎంపిక|ఆప్షన్', 'ప్రశ్న', 'కాదు'),
    'kn': AnswerWords('ಉತ್ತರ|ಉತ್ತರವು', 'ವು|ಸರಿಯಾದ|ಆಗಿದೆ', 'ಆಯ್ಕೆ', 'ಪ್ರಶ್ನೆ', 'ಅಲ್ಲ'),
    'ml': AnswerWords('ഉത്തരം', 'ശരിയായ|ആണ്', 'ഓപ്ഷൻ', 'ചോദ്യം', 'അല്ല'),
    'si': AnswerWords('පිළිතුර|උත්තරය', 'වන්නේ|නිවැරදි', 'විකල්පය', 'ප්‍රශ්නය', 'නොවේ'),
    'zh': AnswerWords(
        '答案|回答|解答|正解|答复|应选|應選|选择|選擇|选|選|答',
        '应该是|應該是|应为|應為|是|为|為|選|选|係|應該係|应该|正确|正確',
        '选项|選項|选择|字母',
        '问题|問題',
        '不对|错|不是|不正确',
    ),
    'yue': AnswerWords('答案', '係|應該係|就係|是', '選項', '問題', '唔係|唔啱'),
    'ja': AnswerWords(
        '答案|答え|回答|解答|正解|正答|選', 'は|が|、|択肢', '選択肢', '質問|問題', 'では|じゃ'
    ),
    'ko': AnswerWords(
        '정답|답변|해답|답',
        '으로는|은|는|이|가|번호|입니다',
        '선택지|보기|옵션',
        '질문|문제',
        '가 아|이 아|는 아|은 아|아니|아닙|아닌',
    ),
    'th': AnswerWords(
        'คำตอบ|เฉลย',
        'ที่ถูกต้อง|ที่ถูก|สุดท้าย|ของคำถามนี้|คือ|เป็น|ได้แก่|ที่เหมาะสมที่สุด',
        'ตัวเลือก|ข้อ|ตัวอักษร',
        'คำถาม',
        'ไม่ถูก|ผิด',
    ),
    'lo': AnswerWords('ຄຳຕອບ', 'ທີ່ຖືກຕ້ອງ|ແມ່ນ|ຄື', 'ຂໍ້', 'ຄຳຖາມ'),
    'km': AnswerWords('ចម្លើយ', 'ត្រឹមត្រូវ|គឺ|ដែល', 'ជម្រើស', 'សំណួរ'),
    'my': AnswerWords('အဖြေမှန်|အဖြေ', 'သည်|မှာ|က', 'ရွေးချယ်မှု', 'မေးခွန်း', 'မဟုတ်'),
    'vi': AnswerWords(
        'đáp án|câu trả lời|trả lời',
        'là|đúng|chính xác|cuối cùng|đúng nhất|phù hợp nhất|của câu hỏi này|cho câu hỏi này',
        'phương án|lựa chọn|đáp án|chữ',
        'câu hỏi|câu',
        'là sai|sai|không đúng',
    ),
    'id': AnswerWords(
        'jawabannya|jawaban',
        'adalah|ialah|yaitu|yang|benar|tepat|paling tepat|akhir',
        'pilihan|opsi|huruf',
        'pertanyaan|soal',
        'bukan|salah',
    ),
    'ms': AnswerWords(
        'jawapannya|jawapan', 'ialah|adalah|yang|betul|tepat|benar', 'pilihan|huruf', 'soalan'
    ),
    'jv': AnswerWords(
        'wangsulan|jawaban', 'yaiku|inggih punika|sing|bener|leres', 'pilihan', 'pitakonan'
    ),
    'su': AnswerWords('jawaban|waleran', 'nyaéta|anu|bener', 'pilihan', 'patarosan'),
    'fil': AnswerWords(
        'sagot', 'ay|ang|tamang|tama|na|wastong', 'pagpipilian|titik|letra|opsyon', 'tanong'
    ),
    'ceb': AnswerWords('tubag', 'mao|ang|husto|kay', 'kapilian', 'pangutana'),
    'sw': AnswerWords('jibu|majibu', 'ni|sahihi|lililo|la|mwisho', 'chaguo|herufi', 'swali'),
    'ha': AnswerWords(
        'amsar|amsa',
        'ita ce|ita|ce|shi ne|shine|daidai|da ta dace|mai kyau|tambayar',
        'zaɓi',
        'tambaya',
    ),
    'yo': AnswerWords('ìdáhùn|idáhùn|idahun|àdáhùn', 'ni|náà|tó tọ́|tí ó tọ́', 'àṣàyàn', 'ìbéèrè'),
    'ig': AnswerWords('azịza|aziza|ọsịsa', 'bụ|ziri ezi|kwesịrị ekwesị', 'nhọrọ', 'ajụjụ'),
    'zu': AnswerWords('impendulo', 'ithi|ngu|elungile|yilena', 'inketho', 'umbuzo'),
    'xh': AnswerWords('impendulo', 'ithi|ngu|echanekileyo', 'ukhetho', 'umbuzo'),
    'sn': AnswerWords('mhinduro', 'ndi|ndeye|iri|yakarurama|chaiyo', 'sarudzo', 'mubvunzo'),
    'ny': AnswerWords('yankho', 'ndi|lolondola', 'chisankho', 'funso'),
    'so': AnswerWords('jawaabta|jawaab', 'waa|saxda ah|saxda', 'doorashada', 'su’aal'),
    'mg': AnswerWords('valiny', 'dia|marina', 'safidy', 'fanontaniana'),
    'wo': AnswerWords('tontu', 'mooy|bi|dëgg', '', 'laaj'),
    'am': AnswerWords('መልሱ|መልስ', 'ትክክለኛው|ነው', 'ምርጫ|አማራጭ', 'ጥያቄ', 'አይደለም'),
    'ti': AnswerWords('መልሲ', 'እቲ|ቅኑዕ|እዩ', 'ምርጫ', 'ሕቶ', 'ኣይኮነን'),
}
# Letters that number options, by the range of their script; the value is the option. Arabic and
# Hebrew count by the abjad order. A letter that is one option by one order of its script and
# another by a second is left out, because it is not known which was meant: the Cyrillic В (the
# second letter by its shape, the third by its position), the Devanagari क (the first in Hindi, the
# third in Marathi). The Cyrillic С is C by its shape only; the others are in both orders or in the
# order of the alphabet itself.
LETTERS = 'ABCDEFGHIJ'
LATIN = 'A-Za-zÀ-ɏḀ-ỿ\u0300-\u036f'
SCRIPTS = (
    (LATIN, {letter: i for i, letter in enumerate(LETTERS)}),
    (r'Ѐ-ԯ', {'А': 0, 'Б': 1, 'С': 2, 'Г': 3, 'Д': 4}),
    (r'Ͱ-Ͽἀ-῾', {'Α': 0, 'Β': 1, 'Γ': 2, 'Δ': 3, 'Ε': 4}),
    (r'ء-يٱ-ۓ', {'أ': 0, 'ا': 0, 'إ': 0, 'ب': 1, 'ج': 2, 'د': 3, 'ه': 4, 'و': 5}),
    (r'א-ת', {'א': 0, 'ב': 1, 'ג': 2, 'ד': 3, 'ה': 4, 'ו': 5}),
    (r'\u0900-\u0963\u0966-\u097f', {'अ': 0, 'ब': 1, 'ख': 1, 'ग': 2, 'स': 2, 'घ': 3, 'द': 3}),
    (r'\u0980-\u09ff', {'ক': 0, 'খ': 1, 'গ': 2, 'ঘ': 3, 'ঙ': 4}),
    (r'\u0e01-\u0e4e', {'ก': 0, 'ข': 1, 'ค': 2, 'ง': 3, 'จ': 4}),
    (r'가-힣\u1100-\u11ff', {'가': 0, '나': 1, '다': 2, '라': 3, '마': 4}),
)
