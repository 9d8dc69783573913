# LinkedIn's rows: the broker's CPU for a million records
# Draws 07-linkedin-cpu.svg, 07-linkedin-cpu-narrow.svg and 07-linkedin-cpu.png from 07-linkedin-cpu.csv in this directory:
#   gnuplot 07-linkedin-cpu.gp
# Written by `millrace plot`; changes are lost.
set encoding utf8
set datafile separator comma
data = "07-linkedin-cpu.csv"
# Three digits and never an exponent: 12.3k, 425M, 3.59G.
told(value, unit) = sprintf(value >= 99.95 ? "%.0f%s" : "%.3g%s", value, unit)
shown(value) = value >= 999.5e6 ? told(value / 1e9, "G") : value >= 999.5e3 ? told(value / 1e6, "M") : \
  value >= 9999.5 ? told(value / 1e3, "k") : told(value, "")
# The value of a column where panel, series and kind fit, else nothing.
pick(panel, series, kind, place) = \
  (strcol(1) eq panel && strcol(2) eq series && strcol(3) eq kind) ? column(place) : NaN
# Over a bar, in two digits where bars are many.
over(value) = 0 && value < 9999.5 ? sprintf(value >= 9.95 ? "%.0f" : "%.2g", value) : shown(value)
hover(label) = sprintf("%s, %s: %s [%s, %s], n = %d", \
  label, strcol(5), shown(column(6)), shown(column(7)), shown(column(8)), column(9))
do for [output in "svg narrow png"] {
  narrow = output eq "narrow"
  # A narrow page has no room for the runs of many places, or the values of many bars.
  dotting = narrow && 42 > 16 ? 1000000 : 1
  crowded = narrow && 0
  if (output eq "svg") {
    set terminal svg size 960,486 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "07-linkedin-cpu.svg"
  }
  if (narrow) {
    set terminal svg size 400,434 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "07-linkedin-cpu-narrow.svg"
  }
  if (output eq "png") {
    set terminal pngcairo size 960,486 fontscale 0.75 font "DejaVu Sans,14" background "#ffffff"
    set output "07-linkedin-cpu.png"
  }
  set termoption noenhanced
  unset label
  set label 1 "LinkedIn's rows: the broker's CPU for a million records" at screen 0.5, screen 1 offset 0,-1.1 center font ",17"
  set label 2 "median of n = 7; whiskers: bootstrap 95 %; dots: runs · standard profile · 20261125T235629Z-64a9023" at screen 0.5, screen 1 offset 0,-2.4 center font ",11" tc rgb "#555555"
  if (narrow) {
    set label 1 "LinkedIn's rows: the broker's CPU for\na million records" font ",14"
    set label 2 "median of n = 7, bootstrap 95 % · standard profile ·\n20261125T235629Z-64a9023" font ",10" offset 0,-3.3000000000000003
  }
  set multiplot
  unset key
  set border 3 lc rgb "#444444"
  set tics out scale 0.6 textcolor rgb "#222222"
  set xtics nomirror; set ytics nomirror
  set grid ytics lc rgb "#dddddd" lt 1 lw 1
  set style fill transparent solid 0.18 noborder
  set boxwidth 0.688 absolute
  set xrange [-0.6:5.6]
  set xtics ("1 producer" 0, "1 producer,\nbatch.size 64000" 1, "3 producers" 2, "1 consumer" 3, "3 consumers" 4, "1 producer and 1\nconsumer" 5) font ",12"
  if (narrow) { set xtics ("1\nproducer" 0, "1\nproducer,\nbatch.size\n64000" 1, "3\nproducers" 2, "1\nconsumer" 3, "3\nconsumers" 4, "1\nproducer\nand 1\nconsumer" 5) font ",10" }
  unset logscale y
  set ytics ("0" 0, "0.05" 0.05, "0.1" 0.1, "0.15" 0.15, "0.2" 0.2, "0.25" 0.25, "0.3" 0.3, "0.35" 0.35)
  if (narrow) { set ytics ("0" 0, "0.1" 0.1, "0.2" 0.2, "0.3" 0.3) }
  set yrange [0:0.390756]
  if (narrow) { set lmargin at screen 0.221; set rmargin at screen 0.955; set bmargin at screen 0.264977; set tmargin at screen 0.760369 } else { set lmargin at screen 0.092083; set rmargin at screen 0.98125; set bmargin at screen 0.185185; set tmargin at screen 0.864198 }
  unset arrow
  unset title
  set xlabel "who sends and receives" offset 0,screen (narrow ? -0.103687 : -0.037037)
  set ylabel "CPU seconds" offset 0,0
  plot data skip 1 using (pick("", "producer", "median", 4)):6 with boxes fs solid 0.75 noborder lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("", "producer-64000", "median", 4)):6 with boxes fs solid 0.75 noborder lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("", "three-producers", "median", 4)):6 with boxes fs solid 0.75 noborder lc rgb "#009E73" notitle, \
    data skip 1 using (pick("", "consumer", "median", 4)):6 with boxes fs solid 0.75 noborder lc rgb "#CC79A7" notitle, \
    data skip 1 using (pick("", "three-consumers", "median", 4)):6 with boxes fs solid 0.75 noborder lc rgb "#E69F00" notitle, \
    data skip 1 using (pick("", "producer-and-consumer", "median", 4)):6 with boxes fs solid 0.75 noborder lc rgb "#56B4E9" notitle, \
    data skip 1 using (pick("", "producer", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "producer-64000", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "three-producers", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "consumer", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "three-consumers", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "producer-and-consumer", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "producer", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "producer-64000", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "three-producers", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "consumer", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "three-consumers", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "producer-and-consumer", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "producer", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "producer-64000", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "three-producers", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "consumer", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "three-consumers", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "producer-and-consumer", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "producer", "median", 4)):6:(hover("1 producer")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe0072B2" notitle, \
    data skip 1 using (pick("", "producer-64000", "median", 4)):6:(hover("1 producer, batch.size 64000")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feD55E00" notitle, \
    data skip 1 using (pick("", "three-producers", "median", 4)):6:(hover("3 producers")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe009E73" notitle, \
    data skip 1 using (pick("", "consumer", "median", 4)):6:(hover("1 consumer")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feCC79A7" notitle, \
    data skip 1 using (pick("", "three-consumers", "median", 4)):6:(hover("3 consumers")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feE69F00" notitle, \
    data skip 1 using (pick("", "producer-and-consumer", "median", 4)):6:(hover("1 producer and 1 consumer")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe56B4E9" notitle
  # The x axis names every series.
  unset multiplot
  unset output
}
