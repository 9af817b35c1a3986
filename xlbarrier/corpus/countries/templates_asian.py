# ruff: noqa: E501  (one sentence per line, so that a reader of the language can check it as it is)
"""Sentences of the default corpus in Chinese (simplified), Japanese and Hindi."""

ZH = {
    'intro': (
        '{country}是{region}次区域的一个国家，属于{continent}。',
        '{region}（{continent}）的国家中包括{country}。',
        '在地理上，{country}被划入{continent}的{region}次区域。',
    ),
    'currency': (
        '{country}的官方货币叫作{currency}，代码是{code}。',
        '在{country}，人们用{currency}（{code}）付款。',
        '{country}法律承认的货币名为“{currency}”，代码为{code}。',
    ),
    'symbol': (
        '在{country}，“{currency}”用符号{symbol}表示。',
        '{country}的价格上写着符号{symbol}，意思是{currency}。',
        '{currency}在{country}的符号是{symbol}。',
    ),
    'language': (
        '在{country}，具有官方语言地位的是{languages}。',
        '{country}的官方用语：{languages}。',
        '{country}的政府机关使用{languages}书写。',
    ),
    'script': (
        '在{country}，{language}用这种文字书写：{script}。',
        '{country}的{language}书信和书籍使用的文字是“{script}”。',
        '{country}所用的{language}采用下列文字：{script}。',
    ),
    'codes': (
        '{country}的国际代码是{iso2}、{iso3}和{number}。',
        '在ISO 3166标准中，{country}的代码是{iso2}和{iso3}，编号是{number}。',
        '在数据库中查找{country}，可以用{iso2}、{iso3}或{number}。',
    ),
    'place': (
        '在按两字母代码排列的国家名单中，{country}排在{before}之后、{after}之前。',
        '国家代码名单中三个相邻的国家依次是：{before}、{country}、{after}。',
        '按代码排序，{country}位于{before}和{after}之间。',
    ),
    'region': (
        '与{country}同属一个次区域的其他国家有：{countries}。',
        '和{country}一样，下列国家也属于{region}：{countries}。',
        '在{region}的地图上，除了{country}，还有{countries}。',
    ),
    'date': (
        '在{country}，{date}这个日期简写为{local}。',
        '在{country}，一封写于{date}的信可能标有简短日期{local}。',
        '在{country}看到日期{local}的人会理解为：{date}。',
    ),
    'time': (
        '在{country}，下午三点半写作{local}。',
        '在{country}，15:30这样的时间写成：{local}。',
        '在{country}的时刻表上，15:30写作{local}。',
    ),
    'number': (
        '在{country}，大的数字这样书写：{local}。',
        '在{country}，数字像这个例子一样分组：{local}。',
        '{local}这个数字是按照{country}的习惯书写的。',
    ),
    'week': (
        '在{country}，日历上一周的第一天是{day}。',
        '{country}的日历从{day}开始一周。',
        '{country}的日历周从这一天开始：{day}。',
    ),
    'metric': (
        '在{country}，人们使用米和千克，常用的纸张尺寸是{paper}。',
        '{country}使用公制，信件打印在{paper}纸上。',
        '{country}的距离用千米表示，纸张的规格是{paper}。',
    ),
    'us_units': (
        '在{country}，人们使用英里和磅，常用的纸张尺寸是{paper}。',
        '公制在{country}并不常用，信件打印在{paper}纸上。',
        '{country}的距离用英里表示，纸张的规格是{paper}。',
    ),
    'same_currency': (
        '下列国家也使用{currency}：{countries}。',
        '这些国家的货币也是“{currency}”：{countries}。',
        '持有{currency}的人还可以在下列国家付款：{countries}。',
    ),
    'same_language': (
        '这种语言（{language}）在其他国家也是官方语言：{countries}。',
        '{language}也是下列国家的官方语言：{countries}。',
        '{language}具有官方地位的其他国家：{countries}。',
    ),
    'own_name': (
        '在本国语言（{language}）中，{country}叫作“{name}”。',
        '{country}的居民用{language}这样书写自己国家的名字：{name}。',
        '“{name}”就是{country}在{language}中的名称。',
    ),
    'cmp_intro': (
        '把{region}的三个国家放在一起看：{countries}。',
        '这里比较{region}次区域的三个国家：{countries}。',
        '{region}的这三个国家有什么相同、有什么不同：{countries}？',
    ),
    'cmp_currency': (
        '它们的官方货币是：{items}。',
        '说到钱，比较如下：{items}。',
        '各国及其货币：{items}。',
    ),
    'cmp_language': (
        '各国的官方语言：{items}。',
        '各国及其正式使用的语言：{items}。',
        '关于官方语言，表中写道：{items}。',
    ),
    'cmp_codes': (
        '它们的两字母代码是：{items}。',
        '在互联网和数据库中，它们的代码是：{items}。',
        '各国及其代码：{items}。',
    ),
    'cmp_week': (
        '各国一周的第一天：{items}。',
        '那里的日历这样开始一周：{items}。',
        '各国及其日历周开始的那一天：{items}。',
    ),
    'reg_intro': (
        '{region}次区域属于{continent}；我们名单中的国家数：{count}。',
        '{region}是{continent}的一个次区域，在我们名单中的国家数为{count}。',
        '本文的主题是{region}（{continent}）；国家数：{count}。',
    ),
    'reg_list': (
        '下面依次是{region}的这些国家：{countries}。',
        '本文提到{region}的下列国家：{countries}。',
        '本页上{region}的国家：{countries}。',
    ),
    'lang_intro': (
        '{language}用这种文字书写：{script}；以它为官方语言的国家数：{count}。',
        '本文介绍一种语言：{language}（文字：{script}；国家数：{count}）。',
        '语言：{language}；文字：{script}；具有官方地位的国家数：{count}。',
    ),
    'cur_intro': (
        '{currency}的代码是{code}；使用它的国家数：{count}。',
        '本文介绍一种货币：{currency}（代码：{code}；国家数：{count}）。',
        '货币：{currency}；代码：{code}；以它为官方货币的国家数：{count}。',
    ),
}

JA = {
    'intro': (
        '{country}は{continent}の一部である{region}という地域区分の国です。',
        '{region}（{continent}）の国々の一つに{country}があります。',
        '地理では、{country}は{continent}の小地域である{region}に分類されます。',
    ),
    'currency': (
        '{country}の公式通貨は{currency}といい、そのコードは{code}です。',
        '{country}では、この通貨で支払います：{currency}（{code}）。',
        '{country}の法律で認められている通貨の名前は「{currency}」で、コードは{code}です。',
    ),
    'symbol': (
        '{country}では、「{currency}」を表す記号は{symbol}です。',
        '{country}の値札には{symbol}という記号があり、これは{currency}を意味します。',
        '{currency}の{country}での記号は{symbol}です。',
    ),
    'language': (
        '{country}で公用語の地位を持つのは{languages}です。',
        '{country}で公式に使われる言語：{languages}。',
        '{country}の役所では{languages}で文書を書きます。',
    ),
    'script': (
        '{country}では、{language}は次の文字で書かれます：{script}。',
        '{country}の{language}の手紙や本に使われる文字は「{script}」です。',
        '{country}で使われる{language}の文字は次のとおりです：{script}。',
    ),
    'codes': (
        '{country}の国際的なコードは{iso2}、{iso3}、{number}です。',
        'ISO 3166という規格では、{country}のコードは{iso2}と{iso3}、番号は{number}です。',
        'データベースで{country}を探すと、{iso2}、{iso3}または{number}で見つかります。',
    ),
    'place': (
        '二文字のコード順に並べた国の一覧では、{country}は{before}の後、{after}の前にあります。',
        '国コードの一覧で隣り合う三つの国は、順に{before}、{country}、{after}です。',
        'コードの順に並べると、{country}は{before}と{after}の間にあります。',
    ),
    'region': (
        '{country}と同じ地域区分に入るほかの国は次のとおりです：{countries}。',
        '{country}と同じく、次の国々も{region}に属します：{countries}。',
        '{region}の地図には、{country}のほかに{countries}も載っています。',
    ),
    'date': (
        '{country}では、{date}という日付を短く{local}と書きます。',
        '{country}で{date}に書かれた手紙には、短い日付{local}が付いていることがあります。',
        '{country}で{local}という日付を読む人は、{date}のことだと理解します。',
    ),
    'time': (
        '{country}では、午後三時半を{local}と書きます。',
        '15:30のような時刻は、{country}では次のように書きます：{local}。',
        '{country}の時刻表では、15:30は{local}と表示されます。',
    ),
    'number': (
        '{country}では、大きな数を次のように書きます：{local}。',
        '{country}では、この例のように数字を区切ります：{local}。',
        '{local}という数は、{country}で普通の書き方で書かれています。',
    ),
    'week': (
        '{country}では、カレンダーの週の最初の日は{day}です。',
        '{country}のカレンダーは{day}から週が始まります。',
        '{country}の暦の週は次の曜日に始まります：{day}。',
    ),
    'metric': (
        '{country}ではメートルとキログラムが使われ、普通の紙のサイズは{paper}です。',
        '{country}ではメートル法が使われ、手紙は{paper}の紙に印刷されます。',
        '{country}では距離をキロメートルで表し、用紙の規格は{paper}です。',
    ),
    'us_units': (
        '{country}ではマイルとポンドが使われ、普通の紙のサイズは{paper}です。',
        '{country}ではメートル法は一般的ではなく、手紙は{paper}の紙に印刷されます。',
        '{country}では距離をマイルで表し、用紙の規格は{paper}です。',
    ),
    'same_currency': (
        '{currency}は次の国々でも使われています：{countries}。',
        '次の国々の通貨も「{currency}」です：{countries}。',
        '{currency}のお金を持っている人は、次の国々でも支払いができます：{countries}。',
    ),
    'same_language': (
        'この言語（{language}）はほかの国でも公用語です：{countries}。',
        '{language}は次の国々でも公用語です：{countries}。',
        '{language}が公的な地位を持つほかの国：{countries}。',
    ),
    'own_name': (
        '{country}は、その国の言語である{language}で「{name}」といいます。',
        '{country}の住民は、自分の国の名前を{language}で次のように書きます：{name}。',
        '「{name}」は、{language}での{country}の名前です。',
    ),
    'cmp_intro': (
        '{region}の三つの国を並べてみます：{countries}。',
        'ここでは{region}の三つの国を比べます：{countries}。',
        '{region}のこの三つの国は何が同じで何が違うのでしょうか：{countries}。',
    ),
    'cmp_currency': (
        '公式の通貨は次のとおりです：{items}。',
        'お金について比べると次のようになります：{items}。',
        'それぞれの国とその通貨：{items}。',
    ),
    'cmp_language': (
        '国ごとの公用語：{items}。',
        'それぞれの国と、そこで公式に話される言語：{items}。',
        '公用語について、表には次のように書かれています：{items}。',
    ),
    'cmp_codes': (
        '二文字のコードは次のとおりです：{items}。',
        'インターネットやデータベースでは次のコードが使われます：{items}。',
        'それぞれの国とそのコード：{items}。',
    ),
    'cmp_week': (
        '国ごとの週の最初の日：{items}。',
        'それぞれのカレンダーの週の始まりは次のとおりです：{items}。',
        'それぞれの国と、その暦の週が始まる曜日：{items}。',
    ),
    'reg_intro': (
        '{region}は{continent}に属する地域区分で、この一覧にある国の数は{count}です。',
        '{continent}の小地域である{region}の国は、この一覧では次の数だけあります：{count}。',
        'この文章の主題は{region}（{continent}）で、国の数は{count}です。',
    ),
    'reg_list': (
        '{region}の国々を順に挙げます：{countries}。',
        'この文章では{region}の次の国々を取り上げます：{countries}。',
        'このページにある{region}の国：{countries}。',
    ),
    'lang_intro': (
        '{language}を書く文字は{script}で、{language}を公用語とする国の数は{count}です。',
        'この文章は一つの言語についてのものです：{language}（文字：{script}；国の数：{count}）。',
        '言語は{language}、文字は{script}、公的な地位を持つ国の数は{count}です。',
    ),
    'cur_intro': (
        '{currency}のコードは{code}で、使っている国の数は{count}です。',
        'この文章は一つの通貨についてのものです：{currency}（コード：{code}；国の数：{count}）。',
        '通貨は{currency}、コードは{code}、公式に使う国の数は{count}です。',
    ),
}

HI = {
    'intro': (
        '{country} उपक्षेत्र “{region}” का एक देश है, जो इस महाद्वीप में आता है: {continent}।',
        'उपक्षेत्र “{region}” ({continent}) के देशों में से एक यह है: {country}।',
        'भूगोल में इस देश का वर्गीकरण ऐसा है: {country} – {region} – {continent}।',
    ),
    'currency': (
        '{country} की आधिकारिक मुद्रा का नाम “{currency}” है; उसका कोड {code} है।',
        '{country} में लोग इस मुद्रा से भुगतान करते हैं: {currency} ({code})।',
        '{country} में क़ानून से मान्य मुद्रा का नाम “{currency}” और कोड {code} है।',
    ),
    'symbol': (
        '{country} में मुद्रा “{currency}” के लिए चिह्न {symbol} लिखा जाता है।',
        '{country} में क़ीमतों पर चिह्न {symbol} होता है, जिसका अर्थ है: {currency}।',
        'मुद्रा “{currency}” का {country} में चिह्न {symbol} है।',
    ),
    'language': (
        '{country} में राजभाषा का दर्जा: {languages}।',
        '{country} में आधिकारिक प्रयोग: {languages}।',
        '{country} में सरकारी दफ़्तरों की भाषा: {languages}।',
    ),
    'script': (
        '{country} में {language} भाषा इस लिपि में लिखी जाती है: {script}।',
        '{country} में {language} भाषा के पत्रों और किताबों की लिपि “{script}” है।',
        '{country} में प्रयुक्त {language} भाषा की लिपि यह है: {script}।',
    ),
    'codes': (
        '{country} के अंतर्राष्ट्रीय कोड {iso2}, {iso3} और {number} हैं।',
        'मानक ISO 3166 में {country} के कोड {iso2} और {iso3} तथा संख्या {number} है।',
        'डेटाबेस में {country} को खोजने वाला उसे {iso2}, {iso3} या {number} के नीचे पाता है।',
    ),
    'place': (
        'दो अक्षरों के कोड के क्रम से बनी देशों की सूची में {country} का स्थान {before} के बाद और {after} से पहले है।',
        'देशों के कोड की सूची में तीन पड़ोसी इस क्रम में हैं: {before}, {country}, {after}।',
        'कोड के क्रम में {country} का स्थान {before} और {after} के बीच है।',
    ),
    'region': (
        '{country} के ही उपक्षेत्र के दूसरे देश ये हैं: {countries}।',
        '{country} की तरह ये देश भी उपक्षेत्र “{region}” में आते हैं: {countries}।',
        'उपक्षेत्र “{region}” के नक़्शे में {country} के अलावा ये देश भी दिखते हैं: {countries}।',
    ),
    'date': (
        '{country} में तारीख़ {date} को संक्षेप में ऐसे लिखते हैं: {local}।',
        '{country} में {date} को लिखे गए पत्र पर छोटी तारीख़ {local} हो सकती है।',
        '{country} में तारीख़ {local} पढ़ने वाला समझता है: {date}।',
    ),
    'time': (
        '{country} में दोपहर बाद साढ़े तीन बजे को ऐसे लिखते हैं: {local}।',
        '15:30 जैसा समय {country} में ऐसा दिखता है: {local}।',
        '{country} की समय-सारणी में 15:30 को {local} लिखा जाता है।',
    ),
    'number': (
        '{country} में बड़ी संख्या ऐसे लिखी जाती है: {local}।',
        '{country} में अंकों के समूह इस उदाहरण की तरह बनाए जाते हैं: {local}।',
        'संख्या {local} उस तरह लिखी गई है जैसा {country} में प्रचलित है।',
    ),
    'week': (
        '{country} में कैलेंडर के सप्ताह का पहला दिन {day} है।',
        '{country} के कैलेंडर में सप्ताह इस दिन से शुरू होता है: {day}।',
        '{country} में कैलेंडर का सप्ताह {day} से शुरू होता है।',
    ),
    'metric': (
        '{country} में मीटर और किलोग्राम का प्रयोग होता है, और काग़ज़ का सामान्य आकार {paper} है।',
        '{country} में मीट्रिक प्रणाली चलती है, और पत्र {paper} काग़ज़ पर छापे जाते हैं।',
        '{country} में दूरी किलोमीटर में बताई जाती है, और काग़ज़ का आकार {paper} होता है।',
    ),
    'us_units': (
        '{country} में मील और पाउंड का प्रयोग होता है, और काग़ज़ का सामान्य आकार {paper} है।',
        '{country} में मीट्रिक प्रणाली आम नहीं है, और पत्र {paper} काग़ज़ पर छापे जाते हैं।',
        '{country} में दूरी मील में बताई जाती है, और काग़ज़ का आकार {paper} होता है।',
    ),
    'same_currency': (
        'मुद्रा “{currency}” इन देशों में भी चलती है: {countries}।',
        'इन देशों की मुद्रा भी “{currency}” है: {countries}।',
        'जिसके पास इस मुद्रा ({currency}) में पैसे हों, वह इन देशों में भी भुगतान कर सकता है: {countries}।',
    ),
    'same_language': (
        'यह भाषा ({language}) दूसरे देशों में भी राजभाषा है: {countries}।',
        '{language} भाषा इन देशों की भी राजभाषा है: {countries}।',
        'दूसरे देश जहाँ {language} भाषा को आधिकारिक दर्जा मिला है: {countries}।',
    ),
    'own_name': (
        '{country} का नाम उसकी अपनी भाषा ({language}) में “{name}” है।',
        '{country} के निवासी {language} भाषा में अपने देश का नाम ऐसे लिखते हैं: {name}।',
        '“{name}”: {language} भाषा में {country} का यही नाम है।',
    ),
    'cmp_intro': (
        'उपक्षेत्र “{region}” के तीन देश साथ-साथ: {countries}।',
        'यहाँ उपक्षेत्र “{region}” के तीन देशों की तुलना की जाती है: {countries}।',
        'उपक्षेत्र “{region}” के इन तीन देशों में क्या समान है और क्या अलग: {countries}?',
    ),
    'cmp_currency': (
        'इनकी आधिकारिक मुद्राएँ ये हैं: {items}।',
        'पैसे के मामले में तुलना इस प्रकार है: {items}।',
        'हर देश और उसकी मुद्रा: {items}।',
    ),
    'cmp_language': (
        'हर देश की राजभाषा: {items}।',
        'हर देश और वहाँ आधिकारिक रूप से बोली जाने वाली भाषा: {items}।',
        'राजभाषाओं के बारे में तालिका बताती है: {items}।',
    ),
    'cmp_codes': (
        'इनके दो अक्षरों वाले कोड ये हैं: {items}।',
        'इंटरनेट और डेटाबेस में इनके कोड ये हैं: {items}।',
        'हर देश और उसका कोड: {items}।',
    ),
    'cmp_week': (
        'हर देश में सप्ताह का पहला दिन: {items}।',
        'वहाँ के कैलेंडर सप्ताह को इस तरह शुरू करते हैं: {items}।',
        'हर देश और वह दिन जिससे उसका सप्ताह शुरू होता है: {items}।',
    ),
    'reg_intro': (
        'उपक्षेत्र “{region}” इस महाद्वीप में आता है: {continent}; हमारी सूची में देशों की संख्या: {count}।',
        '{region}: यह इस महाद्वीप का एक उपक्षेत्र है: {continent}; हमारी सूची में इसके देशों की संख्या {count} है।',
        'इस लेख का विषय: {region} ({continent}); देशों की संख्या: {count}।',
    ),
    'reg_list': (
        'उपक्षेत्र “{region}” के ये देश क्रम से आते हैं: {countries}।',
        'उपक्षेत्र “{region}” से यह लेख इन देशों के नाम लेता है: {countries}।',
        'इस पृष्ठ पर उपक्षेत्र “{region}” के देश: {countries}।',
    ),
    'lang_intro': (
        '{language} भाषा इस लिपि में लिखी जाती है: {script}; जिन देशों में यह राजभाषा है, उनकी संख्या: {count}।',
        'यह लेख एक भाषा के बारे में है: {language} (लिपि: {script}; देश: {count})।',
        'भाषा: {language}; लिपि: {script}; आधिकारिक दर्जे वाले देशों की संख्या: {count}।',
    ),
    'cur_intro': (
        'मुद्रा “{currency}” का कोड {code} है; इसका प्रयोग करने वाले देशों की संख्या: {count}।',
        'यह लेख एक मुद्रा के बारे में है: {currency} (कोड: {code}; देश: {count})।',
        'मुद्रा: {currency}; कोड: {code}; जिन देशों में यह आधिकारिक है, उनकी संख्या: {count}।',
    ),
}
