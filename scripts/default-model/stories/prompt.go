package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// request asks for a story of its own, and gives the words with which the answer begins.
func request(r *rand.Rand) (prompt, beginning string) {
	pick := func(list string) string {
		words := strings.Fields(list)
		return strings.ReplaceAll(words[r.IntN(len(words))], "_", " ")
	}
	who := fmt.Sprintf("%s named %s %s", pick(heroes), pick(names), pick(places))
	switch r.IntN(3) {
	case 0:
		prompt = fmt.Sprintf("%s, who finds %s.", who, pick(things))
	case 1:
		prompt = fmt.Sprintf("%s, with %s and %s.", who, pick(things), pick(things))
	default:
		prompt = fmt.Sprintf("%s, who is %s. %s", who, pick(feelings), pick(turns))
	}
	return "Write a short story of one paragraph in simple words about " + prompt, pick(beginnings)
}

const (
	beginnings = "Once_upon_a_time,_there_was Once_upon_a_time,_there_lived Once_upon_a_time, Once_upon_a_time,_in There_was_once There_once_was Long_ago, One_day, One_morning, It_was_a In_a Every_morning, Last_summer, The When On_a"
	heroes     = "a_girl a_boy a_little_fox a_bear a_rabbit a_mouse a_cat a_dog a_duck an_owl a_frog a_horse a_baker a_fisherman a_farmer a_gardener a_teacher a_king a_queen a_robot a_dragon a_squirrel a_hen a_snail an_old_woman an_old_man a_shepherd a_sailor a_doctor a_tailor"
	names      = "Anna Ben Clara Daniel Ella Finn Grace Henry Ida Jack Kate Leo Lily Max Mia Noah Nora Oscar Pia Rosa Sam Sophie Tim Tom Toby Lucy Emma Oliver Ruby Hugo Alice Peter Molly Jonas Mary Paul Zoe Felix Sara Will"
	places     = "in_a_forest by_the_sea on_a_farm in_a_small_town on_a_hill by_a_river in_a_castle in_a_garden at_school on_a_boat in_the_snow at_the_market under_a_big_tree on_an_island in_a_kitchen in_the_mountains by_a_lake on_a_train in_a_library near_an_old_mill"
	things     = "a_red_ball a_lantern a_blue_kite a_wooden_box a_key a_loaf_of_bread a_bridge an_umbrella a_drum a_nest a_letter a_boat a_bell a_map a_star a_hat a_bucket a_ladder a_basket_of_apples a_pair_of_shoes a_clock a_song a_picture a_seed a_rope a_mirror a_coat a_jar_of_honey a_candle a_feather a_shell a_cake a_wheel a_window a_puddle a_tent a_stone a_book a_pumpkin a_whistle"
	feelings   = "brave sad happy proud lonely tired curious afraid angry thankful sorry surprised hungry shy calm jealous lost excited sleepy kind"
	turns      = "There_is_a_storm. Something_gets_lost_and_is_found_again. Two_friends_quarrel_and_make_peace. Somebody_learns_to_share. Somebody_tells_the_truth. A_stranger_helps. Somebody_keeps_a_promise. A_secret_is_found. Somebody_tries_again_and_again. It_ends_with_a_feast. Somebody_makes_a_mistake_and_says_sorry. They_talk_to_each_other_a_lot. Something_breaks_and_is_mended. It_is_the_first_day_of_spring. Somebody_is_ill_and_gets_well. They_work_together. A_wish_comes_true_in_another_way. Somebody_goes_home_at_night. It_is_a_birthday. Nobody_believes_it_at_first."
)
